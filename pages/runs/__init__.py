"""Everything ever run."""
