"""Behaviours: definitions of harm, and their files."""
