"""Imported once, when Apprise has been installed: it is there."""

from importlib import import_module

PACKAGES = ("apprise",)

for name in PACKAGES:
    import_module(name)
