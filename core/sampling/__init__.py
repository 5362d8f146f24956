"""Sampling: which rows are drawn from what, drawn, stored and scored."""
