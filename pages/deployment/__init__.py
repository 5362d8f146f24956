"""What a risk means in use."""
