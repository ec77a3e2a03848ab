"""Chooses the version to promote."""
