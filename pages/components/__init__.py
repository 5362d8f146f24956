"""Parts that pages share. Each owns its session-state keys, which begin with its name."""
