"""Reads what others have written: text, JSON and tables, each in one strict way."""
