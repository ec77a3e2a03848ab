"""What the tests stand on: real MLflow servers of several versions, a PostgreSQL, a proxy that breaks requests."""
