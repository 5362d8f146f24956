"""Behaviours: what counts as harm, and the files that say so."""
