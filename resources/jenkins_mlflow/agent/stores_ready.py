"""Imported once, when MLflow's client has been installed: whatever databases and folders need is there."""

from importlib import import_module

PACKAGES = (
    "alembic",
    "mlflow",
    "psycopg",
    "sqlalchemy",
)

for name in PACKAGES:
    import_module(name)
