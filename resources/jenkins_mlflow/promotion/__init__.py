"""Promotion: what changes, carrying it out, undoing it, recovering it, and the notice."""
