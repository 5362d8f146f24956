"""What counts as harm."""
