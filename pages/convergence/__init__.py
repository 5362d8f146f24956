"""The estimate, live."""
