"""Runs: a request, its estimate, and what is kept and shown of it."""
