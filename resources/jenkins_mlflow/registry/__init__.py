"""MLflow's registry: reads it, writes to it under a lock, and interprets its answers."""
