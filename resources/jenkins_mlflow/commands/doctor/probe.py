"""`doctor --probe`: tests on a scratch model everything that a promotion needs, and removes it again.

It finds out what only a test can: whether this account may create models, whether this server can change the
stage of a version with linked metrics (servers 3.0 to 3.5.0 on files cannot), whether aliases work, whether
artifacts can be written and read. A later probe removes what a killed one has left. The run stays in MLflow's trash.
"""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import FIXED_IN, is_affected
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.locations import parse_location
from jenkins_mlflow.registry.records import Records
from jenkins_mlflow.registry.storage import OutOfReach, Storage
from jenkins_mlflow.results.doctor import Finding
from jenkins_mlflow.tags import PROBE_PREFIX
from jenkins_mlflow.text import printable, redact

if TYPE_CHECKING:
    from mlflow import MlflowClient

ABANDONED = 600
"""Seconds after which no probe is still at work on its scratch model."""
_TEXT = "written by jenkins-mlflow doctor --probe\n"


def probe(registry: Registry) -> Iterator[Finding]:
    """Run the tests. Everything that they create is removed at the end, whatever happens."""
    try:
        client = _client(registry)
    except JenkinsMlflowError as error:
        yield Finding("probe", "note", f"nothing could be tried: {error.message}", error.next_step)
        return
    scratch = _Scratch(registry, client)
    try:
        yield from scratch.findings()
    finally:
        remaining = scratch.remove()
    yield from remaining


def _client(registry: Registry) -> MlflowClient:
    """MLflow's client, for what no command needs: logged models and artifacts."""
    from jenkins_mlflow.registry.mlflow_client import open_client
    from jenkins_mlflow.registry.store import StoreDoor

    door = registry.connection.door
    return door.client if isinstance(door, StoreDoor) else open_client(registry.connection.uri)


class _Scratch:
    def __init__(self, registry: Registry, client: MlflowClient) -> None:
        self._registry = registry
        self._client = client
        self._model = f"{PROBE_PREFIX}{uuid.uuid4().hex}"
        self._run = ""
        self._folder = ""
        self._logged = ""

    def findings(self) -> Iterator[Finding]:
        yield _tried(
            "making a model",
            lambda: self._client.create_registered_model(self._model),
            "let this account create registered models: every lock is one",
        )
        experiment = ""
        try:
            experiment = Records(self._registry).home(create=True)
            self._run = self._client.create_run(experiment, run_name="probe").info.run_id
        except Exception as error:  # noqa: BLE001  any error is the finding
            yield _failed(
                "making a run", error, "let this account make runs in the experiment jenkins-mlflow"
            )
        if self._run:
            yield self._files()
            yield from self._marks(experiment)

    def _files(self) -> Finding:
        """An artifact, written and read back."""

        def there_and_back() -> None:
            self._client.log_text(self._run, _TEXT, "probe.txt")
            self._folder = str(self._client.get_run(self._run).info.artifact_uri)
            with tempfile.TemporaryDirectory() as folder:
                path = self._client.download_artifacts(self._run, "probe.txt", folder)
                if Path(path).read_text(encoding="utf-8") != _TEXT:
                    raise OSError("the text that was read back is not the one that was written")

        advice = "make sure that this machine can reach and write the artifact store, or let the server serve artifacts"
        return _tried("artifacts: written and read", there_and_back, advice)

    def _marks(self, experiment: str) -> Iterator[Finding]:
        """The stage and the alias of a version with linked metrics."""
        try:
            self._make_version(experiment)
        except Exception as error:  # noqa: BLE001
            yield _failed("registering a version", error, "let this account create versions of its models")
            return
        affected = is_affected(self._registry.connection.server_version)
        fixed = ".".join(str(part) for part in FIXED_IN)
        advice = "look into the log of the MLflow server"
        if affected:
            advice = f"upgrade the server to MLflow {fixed} or later, or move the registry into a database"
        yield _tried(
            "changing a stage",
            lambda: self._registry.set_stage(self._model, 1, "Production", archive_existing=True),
            advice,
        )
        yield _tried("setting an alias", lambda: self._registry.set_alias(self._model, "probe", 1), advice)

    def _make_version(self, experiment: str) -> None:
        source, more = f"runs:/{self._run}/model", {}
        uri = str(self._client.get_run(self._run).info.artifact_uri)
        source = f"{uri}/model"
        if hasattr(self._client, "create_logged_model"):
            with contextlib.suppress(Exception):  # MLflow 2 has no logged models: metrics stay unlinked
                logged = self._client.create_logged_model(experiment, name="probe", source_run_id=self._run)
                self._logged = logged.model_id
                self._client.log_metric(self._run, "probe", 1.0, model_id=self._logged)
                self._client.finalize_logged_model(self._logged, "READY")
                more = {"model_id": self._logged}
                http = self._registry.connection.over_http
                source = f"models:/{self._logged}" if http else logged.artifact_location
        self._client.create_model_version(self._model, source, self._run, **more)  # type: ignore[arg-type]

    def remove(self) -> list[Finding]:
        """Remove everything, also of killed probes; return what could not be removed, as findings."""
        removals: list[Callable[[], object]] = []
        if self._logged:
            removals.append(lambda: self._client.delete_logged_model(self._logged))
        if self._run:
            removals.append(lambda: self._client.delete_run(self._run))
        for removal in removals:
            with contextlib.suppress(Exception):  # it disturbs nobody, in MLflow's trash or not
                removal()
        remaining = []
        if self._folder:
            try:
                Storage(self._registry).erase(parse_location(self._folder))
            except Exception as error:  # noqa: BLE001  whatever it is, the file stays
                why = str(error) if isinstance(error, OutOfReach) else classify(error).summary
                remaining.append(
                    Finding(
                        "scratch file",
                        "note",
                        printable(f"the probe's file probe.txt stays in {redact(self._folder)}: {why}"),
                        "nothing, it is tiny; or whoever may delete files there removes it",
                    )
                )
        still_registered = []
        for name in {self._model, *self._registry.probes(self._registry.now() - ABANDONED)}:
            try:
                self._registry.lower_flag(name)
            except Exception:  # noqa: BLE001  named below
                still_registered.append(name)
        if still_registered:
            names = ", ".join(sorted(still_registered))
            remaining.append(
                Finding(
                    "scratch model",
                    "problem",
                    f"the probe could not remove what it has made: {names}",
                    f"remove the registered model {min(still_registered)} in MLflow",
                )
            )
        return remaining


def _tried(what: str, call: Callable[[], object], fix: str) -> Finding:
    try:
        call()
    except Exception as error:  # noqa: BLE001  any error is the finding
        return _failed(what, error, fix)
    return Finding(f"probe: {what}", "fine", "works")


def _failed(what: str, error: Exception, fix: str) -> Finding:
    return Finding(f"probe: {what}", "problem", printable(f"fails: {classify(error).summary}"), fix)
