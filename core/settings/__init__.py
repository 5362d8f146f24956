"""Settings of this machine: what its operator allows, and what its user has set."""
