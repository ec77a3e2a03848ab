"""Candidates that ended well but logged no run of this build: where their runs went, as far as it can be told.

A script that calls ``mlflow.set_tracking_uri`` trains into another MLflow, and everything looks well. MLflow's client
prints the address of a run on a server when the run ends (MLflow 3.17.2: "View run NAME at: ADDRESS"), so the log may
name it.
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
    """Count a candidate that ended well as missing when it has no run of this build: nothing of it can be selected.

    Args:
        candidates: How the commands ended.
        logged: The candidates that have a run.
        uri: Where they should have logged to.

    Returns:
        The candidates, and a warning for each that has no run.
    """
    found, warnings = [], []
    for candidate in candidates:
        if candidate.status == "ok" and candidate.name not in logged:
            other = _other_address(candidate.log, uri)
            went = (
                f"logged to {other}, not to {redact(uri)}" if other else f"no run of it is in {redact(uri)}"
            )
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
        f"{name} ended well, but {redact(uri)} has no run of it that carries this build: does its script call "
        "mlflow.set_tracking_uri, or MlflowClient.create_run, which ignores MLFLOW_RUN_CONTEXT?"
    )


def _other_address(log: Path, uri: str) -> str:
    """The last server in the log that is another than ``uri``; empty when there is none."""
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
