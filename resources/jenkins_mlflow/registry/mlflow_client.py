"""Opens MLflow's client, silences its unhelpful messages, and makes visible what it hides."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jenkins_mlflow.errors import ConnectionFailed
from jenkins_mlflow.extras import STORES, require
from jenkins_mlflow.registry.choice import HTTP_SCHEMES
from jenkins_mlflow.registry.connection import AZURE_SCHEMES, foreign_host
from jenkins_mlflow.registry.door_types import FoundFile
from jenkins_mlflow.registry.faults import UnusableAnswer
from jenkins_mlflow.text import one_line, redact

if TYPE_CHECKING:
    import requests
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


def open_client(uri: str) -> MlflowClient:
    """Open MLflow's client on an address, without its unhelpful messages.

    Raises:
        ConnectionFailed: MLflow is not installed, or the store cannot be opened.
    """
    require(STORES)
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise _cannot_open(uri, error) from error

    _show_error_answers()
    _keep_login_at_home()
    # Stages are deprecated, but this tool is asked to set them, so the warning does not help our users.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"mlflow\..*|jenkins_mlflow\..*")
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        return MlflowClient(uri, uri)
    # A database that is down, refuses the login or has another schema, or a missing driver.
    except Exception as error:
        raise _cannot_open(uri, error) from error


@contextlib.contextmanager
def default_store(uri: str) -> Iterator[None]:
    """Make a store MLflow's default for a while, then restore the environment that other processes inherit.

    A registry that is opened directly asks the process's default store, not its own, for logged models: a
    file registry for every version that it reads, and any registry to resolve `models:/m-ID`. Unless it is
    set (MLflow 3.17.2), the default is a new mlflow.db in the working directory, which takes seconds to
    create, or the server, with one request for each version.
    """
    import mlflow

    before, process_wide = os.environ.get("MLFLOW_TRACKING_URI"), mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)  # also sets the variable
    try:
        yield
    finally:
        mlflow.set_tracking_uri(process_wide)
        if before is None:
            del os.environ["MLFLOW_TRACKING_URI"]
        else:
            os.environ["MLFLOW_TRACKING_URI"] = before


def _cannot_open(uri: str, error: Exception) -> ConnectionFailed:
    return ConnectionFailed(
        f"cannot open the MLflow store {redact(uri)}: {one_line(str(error))}",
        next_step="check the address, the login and whether the store's schema matches this MLflow version",
    )


def has_artifacts(uri: str, tracking_uri: str) -> bool:
    """Whether an artifact address has any files, in any storage that MLflow supports."""
    return bool(_repository(uri, tracking_uri).list_artifacts())


def list_files(uri: str, tracking_uri: str) -> list[FoundFile]:
    """List a folder of any storage that MLflow supports."""
    above, _, name = uri.rstrip("/").rpartition("/")
    found = _repository(above, tracking_uri).list_artifacts(name)
    return [
        FoundFile(file.path.rpartition("/")[2], bool(file.is_dir), int(file.file_size or 0)) for file in found
    ]


def fetch_file(uri: str, tracking_uri: str, into: Path) -> None:
    """Download one file from any storage that MLflow supports."""
    above, _, name = uri.rstrip("/").rpartition("/")
    with tempfile.TemporaryDirectory(dir=into.parent) as folder:
        got = _repository(above, tracking_uri).download_artifacts(name, folder)
        Path(got).replace(into)


def store_file(uri: str, tracking_uri: str, source: Path) -> None:
    """Upload one file to any storage that MLflow supports."""
    above, _, name = uri.rpartition("/")
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        named = Path(folder, name)  # the client takes the name from the file
        named.hardlink_to(source)
        _repository(above, tracking_uri).log_artifact(str(named))


def delete_files(uri: str, tracking_uri: str) -> None:
    """Delete a folder of any storage that MLflow supports."""
    above, _, name = uri.rstrip("/").rpartition("/")
    _repository(above, tracking_uri).delete_artifacts(name)


def _repository(uri: str, tracking_uri: str) -> ArtifactRepository:
    """MLflow's artifact repository for an address."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    _keep_login_at_home()
    return get_artifact_repository(uri, tracking_uri=tracking_uri)


def _keep_login_at_home() -> None:
    """Make MLflow's client send its login only to the tracking server.

    The address of a run or a logged model is looked up, and anybody may have set the location of its
    experiment's files.
    """
    from mlflow.store.artifact import artifact_repository_registry as repositories

    known: dict[str, Any] = repositories.get_registered_artifact_repositories()
    for scheme in (*HTTP_SCHEMES, "mlflow-artifacts", *AZURE_SCHEMES):
        if scheme in known and not isinstance(known[scheme], _AtHome):
            known[scheme] = _AtHome(known[scheme])


@dataclass(frozen=True)
class _AtHome:
    """Opens an address unless MLflow would send the login to a host other than the server's."""

    opens: Callable[..., ArtifactRepository]

    def __call__(
        self, uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> ArtifactRepository:
        import mlflow

        if host := foreign_host(uri, tracking_uri or mlflow.get_tracking_uri()):
            raise UnusableAnswer(f"its files are on another host, {host}, and the login is not sent there")
        return self.opens(uri, tracking_uri=tracking_uri, registry_uri=registry_uri)


def _show_error_answers() -> None:
    """Pass on the answers to HTTP 429 and 5xx, with their body and Retry-After header.

    MLflow's client (3.17.2) drops them: urllib3 raises without the answer once its retries, of which there
    are none here, are used up. There is no setting for that, so its one function that sends is wrapped. If a
    later MLflow has no such function, only the header and the body are missing.
    """
    import requests
    from mlflow.utils import rest_utils

    sender = "_get_http_response_with_retries"
    original = getattr(rest_utils, sender, None)
    if original is None or hasattr(original, "shows_error_answers"):
        return
    signature = inspect.signature(original)

    @functools.wraps(original)
    def send(*args: Any, **kwargs: Any) -> requests.Response:
        call = signature.bind(*args, **kwargs)
        raising = call.arguments.get("raise_on_status", True)
        call.arguments["raise_on_status"] = False
        answer: requests.Response = original(*call.args, **call.kwargs)
        if raising and answer.status_code in call.arguments.get("retry_codes", ()):
            raise requests.exceptions.HTTPError(f"HTTP {answer.status_code}", response=answer)
        return answer

    vars(send)["shows_error_answers"] = True
    setattr(rest_utils, sender, send)
