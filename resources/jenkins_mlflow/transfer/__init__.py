"""Copying a version to another tracking server."""
