"""The command line: arguments in, one call of a command out."""
