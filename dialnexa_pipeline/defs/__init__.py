"""This project’s own instances: the demo syncs and the CRM’s dbt models."""
