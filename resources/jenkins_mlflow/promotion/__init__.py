"""Promotion: planning the changes, making them, undoing them, recovering from interruptions, and the notice."""
