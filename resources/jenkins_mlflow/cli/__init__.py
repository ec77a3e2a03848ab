"""The command line: parses arguments and calls one command."""
