"""Imported once, when the runner has been installed: whatever a command may need later is there."""

from importlib import import_module

PACKAGES = (
    "alembic",
    "click",
    "mlflow",
    "msgspec",
    "psycopg",
    "pydantic",
    "requests",
    "rich",
    "sqlalchemy",
    "tenacity",
    "yaml",
)

for name in (*PACKAGES, "jenkins_mlflow.agent.request"):
    import_module(name)
