"""MLflow's registry: reading it, writing to it under a lock, and what its answers mean."""
