"""Proposals: the unsafe distributions that answers are drawn from."""
