"""Imported once, when the runner has been installed: whatever a command over HTTP may need later is there."""

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
