"""Many queries, side by side."""
