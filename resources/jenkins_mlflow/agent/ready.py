"""Imported once after installation, to check that everything an HTTP command needs can be imported."""

from importlib import import_module

PACKAGES = (
    "click",
    "importlib_metadata",
    "jinja2",
    "msgspec",
    "pydantic",
    "pygal",
    "requests",
    "rich",
    "tenacity",
    "typing_extensions",
    "yaml",
)

for name in (*PACKAGES, "jenkins_mlflow.agent.request"):
    import_module(name)
