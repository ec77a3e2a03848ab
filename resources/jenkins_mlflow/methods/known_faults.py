"""Recognises servers that cannot change a stage before the first write.

MLflow 3.0.0 to 3.5.0 on a file store writes a version's linked metrics into its meta.yaml when the stage
changes, but its YAML writer cannot represent them: `yaml.representer.RepresenterError`, known as
"RepresentationError", HTTP 500. A change fails if all three of these are true, and a client can check each
(measured on 3.0.1, 3.3.2 and 3.4.0):

- The server has an affected version: `/version`.
- Its registry is in files: asked for a model with `%` in its name, a file store answers that no name can
  contain it (400), and a database that there is no such model (404).
- The version was made from a logged model that has metrics. The version's record does not show that (no
  answer contains its `model_id`), but the logged model's tag `mlflow.modelVersions`, which the server sets,
  names the version.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from jenkins_mlflow.registry.connection import FIXED_IN, Connection, is_affected
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.sources import logged_model_id
from jenkins_mlflow.registry.version import Version

# MLflow's SQL stores number experiments from 0; its file store uses 18 random digits.
_FILE_STORE_ID_DIGITS = 18
_IMPOSSIBLE_IN_FILES = "jenkins-mlflow%probe"
_MODEL_VERSIONS_TAG = "mlflow.modelVersions"
_MOST_LOGGED_MODELS = 2


class ServerFaults:
    """Known faults of the server behind one connection; each question is asked once.

    A missing or unclear answer does not count as a fault: the methods are then simply tried.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[tuple[str, int], ...], str] = {}

    def stage_fault(self, changing: Sequence[Version]) -> str:
        """Why this server cannot change the stage of these versions, on one line; empty if it can or may be able to.

        Costs 1 request (`/version`) on an unaffected server, and at most 3 more on an affected one: for the
        kind of store, and for the logged models of the first two versions.
        """
        key = tuple((version.model, version.number) for version in changing)
        if key not in self._known:
            self._known[key] = self._stage_fault(tuple(changing))
        return self._known[key]

    def _stage_fault(self, changing: tuple[Version, ...]) -> str:
        suspects = [version for version in changing if logged_model_id(version.source)]
        if not suspects or not self._connection.over_http or not is_affected(self._connection.server_version):
            return ""
        if not keeps_files(self._connection):
            return ""
        for version in suspects[:_MOST_LOGGED_MODELS]:
            if self._has_linked_metrics(version):
                fixed = ".".join(str(part) for part in FIXED_IN)
                return (
                    f"MLflow {self._connection.server_version} with a file store cannot change the stage of "
                    f"{version.label}, which has linked metrics (RepresentationError, fixed in {fixed})"
                )
        return ""

    def _has_linked_metrics(self, version: Version) -> bool:
        try:
            logged = self._connection.door.logged_model(logged_model_id(version.source))
            versions = json.loads(logged.tags.get(_MODEL_VERSIONS_TAG, "[]"))
        except Exception:  # noqa: BLE001  unknown, so no method is skipped because of it
            return False
        return logged.has_metrics and _names(versions, version)


def _names(versions: Any, version: Version) -> bool:
    """Whether the tag's value, which anyone can write, names the version."""
    return isinstance(versions, list) and any(
        isinstance(item, dict)
        and item.get("name") == version.model
        and str(item.get("version")) == str(version.number)
        for item in versions
    )


def keeps_files(connection: Connection) -> bool | None:
    """Whether the registry is a file store; None if the server's answer does not show it. 1 request over HTTP."""
    if not connection.over_http:
        return urlsplit(connection.uri).scheme in ("", "file")
    try:
        connection.door.model(_IMPOSSIBLE_IN_FILES)
    except Exception as error:  # noqa: BLE001  the answer only saves time or phrases advice
        fault = classify(error)
        if fault.not_found:
            return False
        refused = fault.code == "INVALID_PARAMETER_VALUE" and "'%' character" in fault.summary
        return True if refused else None
    return None


def looks_like_file_store(storage_uri: str) -> bool | None:
    """Judge the kind of store by the experiment id in a version's storage address; None without any evidence.

    The default experiment is 0 in every store. ``keeps_files`` asks the server itself, which is more
    reliable.
    """
    ids = [part for part in urlsplit(storage_uri).path.split("/") if part.isdecimal() and part != "0"]
    return any(len(part) == _FILE_STORE_ID_DIGITS for part in ids) if ids else None
