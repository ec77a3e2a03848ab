"""The history of production: events, how they are stored in MLflow, and what they show."""
