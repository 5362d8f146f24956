"""The embedded world: a fictional grammar, two small models trained on it, and their data files."""
