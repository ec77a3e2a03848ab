"""The part that Jenkins ships to an agent and starts there."""
