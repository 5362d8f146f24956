"""The command line, one file a command: options -> spec -> report. `core.cli.app` starts it."""
