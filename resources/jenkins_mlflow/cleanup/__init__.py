"""Retention: which versions are deleted, and their deletion."""
