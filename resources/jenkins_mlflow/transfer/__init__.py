"""Copies a version to another tracking server."""
