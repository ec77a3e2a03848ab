"""Training: which commands run, and what they logged."""
