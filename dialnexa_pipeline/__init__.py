"""Warehouse and CRM rows into DialNexa phone conversations, each person at most once."""
