"""One file for each command: from a loaded configuration to its result."""
