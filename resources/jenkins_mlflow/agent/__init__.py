"""What Jenkins ships to an agent and starts there."""
