"""Imported once after MLflow's client is installed, to check that databases and folders can be read."""

from importlib import import_module

PACKAGES = (
    "alembic",
    "mlflow",
    "psycopg",
    "sqlalchemy",
)

for name in PACKAGES:
    import_module(name)
