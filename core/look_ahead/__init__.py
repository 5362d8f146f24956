"""Counts harm before it happens: the exact mass of next tokens that settle an answer as harmful."""
