"""What was in production when, and why: events, their keeping in MLflow, and what follows from them."""
