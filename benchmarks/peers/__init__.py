"""The same leads by us, by the script people write, by dlt and at the machine's limit."""
