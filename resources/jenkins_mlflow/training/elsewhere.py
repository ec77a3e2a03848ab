"""Finds out where the runs went of candidates that succeeded but logged no run of this build.

A script that calls ``mlflow.set_tracking_uri`` logs to another MLflow without any error. When a run on a
server ends, MLflow's client prints its address (MLflow 3.17.2: "View run NAME at: ADDRESS"), so the log may
contain it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from jenkins_mlflow.processes import Ended
from jenkins_mlflow.text import one_line, redact

_RUN_ADDRESS = re.compile(rb"View run [^\n]* at: (https?://[^\s#]+)")
_END_OF_LOG = 65_536


def without_runs(
    candidates: Collection[Ended], logged: Collection[str], uri: str
) -> tuple[tuple[Ended, ...], list[str]]:
    """Count a successful candidate as missing if it has no run of this build, because nothing of it can be selected.

    Args:
        candidates: How the commands ended.
        logged: The candidates that have a run.
        uri: The tracking server to which they should have logged.

    Returns:
        The candidates, and a warning for each that has no run.
    """
    found, warnings = [], []
    for candidate in candidates:
        if candidate.status == "ok" and candidate.name not in logged:
            other = _other_address(candidate.log, uri)
            went = f"logged to {other}, not to {redact(uri)}" if other else f"{redact(uri)} has no run of it"
            found.append(replace(candidate, status="missing", error=went))
            warnings.append(_warning(candidate.name, other, uri))
        else:
            found.append(candidate)
    return tuple(found), warnings


def _warning(name: str, other: str, uri: str) -> str:
    if other:
        return (
            f"{name} logged to another MLflow, {other}, not to {redact(uri)}: remove set_tracking_uri from its "
            "script (MLFLOW_TRACKING_URI is set for it), or train with that address"
        )
    return (
        f"{name} succeeded, but {redact(uri)} has no run of it with this build's tag: does its script call "
        "mlflow.set_tracking_uri, or MlflowClient.create_run, which ignores MLFLOW_RUN_CONTEXT?"
    )


def _other_address(log: Path, uri: str) -> str:
    """The last server in the log that is not ``uri``; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _END_OF_LOG))
            ends = file.read()
    except OSError:
        return ""
    for address in reversed(_RUN_ADDRESS.findall(ends)):
        server = urlsplit(address.decode("utf-8", "replace"))
        if server.netloc.rpartition("@")[2] != urlsplit(uri).netloc.rpartition("@")[2]:
            return one_line(f"{server.scheme}://{server.netloc}")
    return ""
