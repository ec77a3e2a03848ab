"""From a loaded configuration to a result: each command, and what several of them share."""
