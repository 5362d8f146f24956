"""The model that is asked."""
