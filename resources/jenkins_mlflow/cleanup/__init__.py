"""Retention: which versions go, and deleting them."""
