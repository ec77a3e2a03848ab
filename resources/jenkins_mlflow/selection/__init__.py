"""Choosing the version to promote."""
