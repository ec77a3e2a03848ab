"""Imported once after Apprise is installed, to check that it can be imported."""

from importlib import import_module

PACKAGES = ("apprise",)

for name in PACKAGES:
    import_module(name)
