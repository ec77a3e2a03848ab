"""Translates a failed request for people: into an error with a message and a next step."""

from __future__ import annotations

from jenkins_mlflow.errors import ConnectionFailed, JenkinsMlflowError, NotFound, RegistryError
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.text import redact


def translate(what: str, error: Exception, uri: str) -> JenkinsMlflowError:
    """Turn an error that MLflow's client raised while doing ``what`` into one for people."""
    if isinstance(error, JenkinsMlflowError):
        return error
    fault, where = classify(error), redact(uri)
    if fault.connection or fault.transient:
        return ConnectionFailed(
            f"{what}: no usable answer from {where}: {fault.summary}",
            next_step=fault.advice
            or "check that the MLflow server runs and is reachable from here, then run the command again",
        )
    if fault.not_found:
        return not_found(what, uri)
    if fault.status in (401, 403):
        login = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        known = (
            "give this account the right to do that, or log in with another one: "
            if fault.status == 403
            else ""
        )
        return RegistryError(
            f"{what}: {where} refuses access: {fault.summary}", next_step=f"{known}set {login}"
        )
    if fault.status in (301, 302, 303, 307, 308):
        return RegistryError(
            f"{what}: {where} answers {fault.summary}",
            state="the request was not repeated there, so that no login is sent to another address",
            next_step="give the server's own address, or log in where it asks for it",
        )
    return RegistryError(
        f"{what}: {fault.summary}",
        next_step=fault.advice or f"look at the log of the MLflow server {where}",
    )


def not_found(what: str, uri: str) -> NotFound:
    """The error for something that the registry at this address does not have."""
    return NotFound(
        f"{what}: not in the registry {redact(uri)}",
        next_step="`jenkins-mlflow list` shows what is registered",
    )
