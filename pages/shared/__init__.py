"""What several pages use. Each part owns its session-state keys, which begin with its name."""
