"""Training: runs the commands and finds out what they logged."""
