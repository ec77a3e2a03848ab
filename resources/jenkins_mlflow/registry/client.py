"""What the stages ask of the registry: reading it in pages, and the few writes they need. Behind it is one door.

Facts (MLflow 2.22 to 3.17): a search for versions returns tags but never aliases or metrics, so aliases come from
the models and metrics from the runs. Page limits are 1,000 models, 200,000 versions and 50,000 runs.
``name LIKE 'p%'`` works on every store; there is no OR. A search takes 4,500 run ids, not 6,000.
"""

from __future__ import annotations

import fnmatch
import functools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from jenkins_mlflow.errors import ConnectionFailed, JenkinsMlflowError, NotFound, RegistryError
from jenkins_mlflow.registry.connection import Connection, local_path
from jenkins_mlflow.registry.doors import FoundModel
from jenkins_mlflow.registry.faults import AnswerTooLarge, RetryPolicy, call_with_retries, classify
from jenkins_mlflow.registry.snapshot import Model, Run, Snapshot, Version
from jenkins_mlflow.tags import FLAG_PREFIX, LONGEST_TAG
from jenkins_mlflow.text import redact

T = TypeVar("T")

MODELS_PER_PAGE = 1000
VERSIONS_PER_PAGE = 10_000
EXPERIMENTS_PER_PAGE = 1000
RUNS_PER_REQUEST = 4500
_PROMPT_TAG = "mlflow.prompt.is_prompt"
_TOO_MUCH = frozenset({400, 413, 414, 431})


def literal_prefix(pattern: str) -> str:
    """The part of an fnmatch pattern before its first wildcard or character that a filter string cannot carry."""
    return re.split(r"[*?\[\\%'\"]", pattern, maxsplit=1)[0]


def name_filters(patterns: Sequence[str]) -> list[str]:
    """The fewest MLflow filters that together cover the patterns.

    They may return too much (LIKE's ``_`` matches any character): the caller matches the names again.

    >>> name_filters(["heart-disease-*", "heart-disease-svm"])
    ["name LIKE 'heart-disease-%'"]
    """
    prefixes = {literal_prefix(pattern) for pattern in patterns}
    shortest = sorted(p for p in prefixes if not any(p != q and p.startswith(q) for q in prefixes))
    return [_name_filter(prefix, patterns) for prefix in shortest]


def _name_filter(prefix: str, patterns: Sequence[str]) -> str:
    if not prefix:
        return ""
    only_itself = all(pattern == prefix for pattern in patterns if literal_prefix(pattern).startswith(prefix))
    return f"name = '{prefix}'" if only_itself else f"name LIKE '{prefix}%'"


def matches(name: str, patterns: Collection[str]) -> bool:
    """Whether a registered model's name belongs to the group; case counts, as it does in MLflow."""
    return any(fnmatch.fnmatchcase(name, pattern) or name == pattern for pattern in patterns)


class FilesUnknown(Exception):
    """Whether a version's files still are there cannot be told from this machine; the text says why."""


class Registry:
    """The registry behind one connection.

    Reads are retried here. Writes are tried once: their callers own the retries, because only they can tell
    whether a write whose answer was lost took effect.

    Raises (every method):
        ConnectionFailed: the server or store cannot be reached.
        NotFound: the model or version does not exist.
        RegistryError: MLflow refused the request.
    """

    def __init__(self, connection: Connection, retry: RetryPolicy | None = None) -> None:
        self.connection = connection
        self._door = connection.door
        self._retry = retry or RetryPolicy()

    def now(self) -> float:
        """The store's present time, in seconds since 1970: what ages of versions are told by. 1 request."""
        return self._read("the registry's time", self._door.now)

    @property
    def answer_time(self) -> float:
        """How long a request may take to be answered or given up, in seconds; 0 for a store opened directly."""
        return float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) if self.connection.over_http else 0.0

    def snapshot(self, patterns: Sequence[str], *, with_runs: bool = False) -> Snapshot:
        """Read the group: 1 request per page of models, of versions, of experiments and of 4,500 runs.

        Args:
            patterns: Names or fnmatch patterns of registered models.
            with_runs: Whether metrics and run tags are needed.
        """
        models: dict[str, FoundModel] = {}
        versions: dict[str, dict[int, Version]] = defaultdict(dict)
        for condition in name_filters(patterns):
            for model in self._models(condition):
                if matches(model.name, patterns) and not model.name.startswith(FLAG_PREFIX):
                    models[model.name] = model
            for found in self._versions(condition):
                if found.model in models:
                    versions[found.model][found.number] = found
        runs = (
            self._runs({v.run_id for of_model in versions.values() for v in of_model.values()})
            if with_runs
            else {}
        )
        return Snapshot(tuple(_model(models[name], versions[name].values(), runs) for name in sorted(models)))

    def names(self) -> list[str]:
        """Every registered model's name, sorted: 1 request per 1,000 models."""
        return sorted(model.name for model in self._models("") if not model.name.startswith(FLAG_PREFIX))

    def model(self, name: str) -> Model:
        """Read one model again: 2 requests, however many versions it has."""
        model = self._read(f"model {name}", lambda: self._door.model(name))
        if _PROMPT_TAG in model.tags:
            raise self._not_found(f"reading model {name}")
        quote = '"' if "'" in name else "'"
        condition = f"name = {quote}{name}{quote}" if '"' not in name or "'" not in name else ""
        return _model(model, [version for version in self._versions(condition) if version.model == name], {})

    def find_model(self, name: str) -> Model | None:
        """Read one model again, as ``model``; None if it is not there."""
        try:
            return self.model(name)
        except NotFound:
            return None

    def version(self, name: str, number: int) -> Version:
        """Read one version with its aliases: 1 request."""
        return self._read(f"{name} version {number}", lambda: self._door.version(name, number))

    def versions_with_tag(self, key: str) -> list[Version]:
        """Every version of the registry that has this tag, without its aliases: 1 request a page."""
        return list(self._versions(f"tags.`{key}` LIKE '%'"))

    def models_with_tag(self, key: str) -> dict[str, dict[str, str]]:
        """The tags of every model of the registry that has this tag, by name: 1 request a page."""
        return {model.name: dict(model.tags) for model in self._models(f"tags.`{key}` LIKE '%'")}

    def storage_uri(self, name: str, number: int) -> str:
        """Where the version's files lie, as the registry knows it."""
        return self._read(f"{name} version {number}", lambda: self._door.storage_uri(name, number))

    def has_files(self, name: str, number: int) -> bool:
        """Whether the version's files still are there.

        Raises:
            FilesUnknown: That cannot be told from here: they are in a folder of the server's machine, or in a storage
                that this runner has no access to.
        """
        uri = self.storage_uri(name, number)
        path = local_path(uri)
        if path is not None:
            if not path.exists() and self.connection.over_http:
                raise FilesUnknown(f"there is no {path} on this machine")
            return any(path.iterdir()) if path.is_dir() else path.exists()
        try:
            return call_with_retries(lambda: self._door.has_artifacts(uri), self._retry)
        except Exception as error:  # no access, no driver (boto3), no answer: all the same here
            raise FilesUnknown(classify(error).summary) from error

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool = False) -> None:
        """Transition a version's stage; safe to repeat."""
        self._door.set_stage(name, number, stage, archive_existing=archive_existing)

    def set_alias(self, name: str, alias: str, number: int) -> None:
        """Point an alias at a version; an upsert, safe to repeat."""
        self._door.set_alias(name, alias, number)

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; one that is gone already is no error."""
        self._door.delete_alias(name, alias)

    def tag_version(self, name: str, number: int, tags: Mapping[str, str]) -> None:
        """Set tags on a version; MLflow keeps 5,000 characters of a value."""
        for key, value in tags.items():
            self._door.tag_version(name, number, key, value[:LONGEST_TAG])

    def untag_version(self, name: str, number: int, key: str) -> None:
        """Remove a tag from a version; one that is gone already is no error."""
        try:
            self._door.untag_version(name, number, key)
        except Exception as error:
            if not classify(error).not_found:
                raise

    def tag_model(self, name: str, key: str, value: str) -> None:
        """Set a tag on a registered model; an upsert, safe to repeat."""
        self._door.tag_model(name, key, value)

    def untag_model(self, name: str, key: str) -> None:
        """Remove a tag from a registered model; one that is gone already is no error."""
        try:
            self._door.untag_model(name, key)
        except Exception as error:
            # A database store takes it silently, a file store answers 404; the model itself being gone is the same.
            if not classify(error).not_found:
                raise

    def copy_version(self, name: str, number: int, into: str) -> int:
        """Add a copy of a version, a pointer to the same files, to another model; its number there."""
        return self._door.copy_version(name, number, into)

    def raise_flag(self, name: str, tags: Mapping[str, str], description: str) -> int:
        """Create a flag of lock.py; the time the store gives it, in milliseconds of the store's clock."""
        created = self._door.create_model(name, tags, description)
        return created if self.connection.over_http else self.renew_flag(name, description)

    def renew_flag(self, name: str, description: str) -> int:
        """Write the store's present time into a flag; that time in milliseconds."""
        return self._door.stamp(name, description)

    def lower_flag(self, name: str) -> None:
        """Remove a flag; one that is gone already is no error."""
        try:
            self._door.delete_model(name)
        except Exception as error:
            if not classify(error).not_found:
                raise

    def flags(self) -> list[tuple[str, int, Mapping[str, str]]]:
        """Every flag: name, when it was last renewed (milliseconds of the store's clock), tags. 1 request."""
        return [
            (model.name, model.updated, model.tags)
            for model in self._models(f"name LIKE '{FLAG_PREFIX}%'")
            if model.name.startswith(FLAG_PREFIX)
        ]

    def register_version(self, like: Version, tags: Mapping[str, str]) -> int:
        """Register a version with another one's source, run and description; its number. Not safe to repeat."""
        # A server takes a logged model as source only with its id, which it does not give back (MLflow 3.17.2).
        logged = re.fullmatch(r"models:/(m-[0-9a-f]+)/?", like.source)
        return self._door.create_version(like, tags, logged.group(1) if logged else "")

    def delete_version(self, name: str, number: int) -> None:
        """Delete a version: its record only, run and artifacts stay."""
        self._door.delete_version(name, number)

    def retrying(self, what: str, call: Callable[[], T]) -> T:
        """Run a call that is safe to repeat under the retry policy, and translate its last error."""
        try:
            return call_with_retries(call, self._retry)
        except Exception as error:
            raise self.translate(what, error) from error

    def translate(self, what: str, error: Exception) -> JenkinsMlflowError:
        """The error a person can read for what MLflow's client raised while doing ``what``."""
        if isinstance(error, JenkinsMlflowError):
            return error
        fault, where = classify(error), redact(self.connection.uri)
        if fault.connection or fault.transient:
            return ConnectionFailed(
                f"{what}: no usable answer from {where}: {fault.summary}",
                next_step="check that the MLflow server runs and is reachable from here, then run the command again",
            )
        if fault.not_found:
            return self._not_found(what)
        if fault.status in (401, 403):
            return RegistryError(
                f"{what}: {where} refuses access: {fault.summary}",
                next_step="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
            )
        if fault.status in (301, 302, 303, 307, 308):
            return RegistryError(
                f"{what}: {where} answers {fault.summary}",
                state="the request was not repeated there, so that no login goes astray",
                next_step="give the address that the server itself has, or log in where it asks for it",
            )
        return RegistryError(
            f"{what}: {fault.summary}", next_step=f"look into the log of the MLflow server {where}"
        )

    def _not_found(self, what: str) -> NotFound:
        where = redact(self.connection.uri)
        return NotFound(
            f"{what}: not in the registry {where}", next_step="`jenkins-mlflow list` shows what is there"
        )

    def _read(self, what: str, call: Callable[[], T]) -> T:
        return self.retrying(f"reading {what}", call)

    def pages(self, what: str, search: Callable[..., Any], **arguments: Any) -> Iterator[Any]:
        """Everything that a search finds, page after page.

        Args:
            what: What is read, for messages.
            search: A search of the door or of MLflow's client.
            arguments: Its other arguments; give a stable order.

        Raises:
            RegistryError: the server names a page as the next that it has named before.
        """
        token, seen = "", {""}
        while True:
            page = self._read(what, functools.partial(search, page_token=token, **arguments))
            yield from page
            token = page.token
            if not token:
                return
            if token in seen:
                raise RegistryError(
                    f"reading {what}: the server repeats a page: its search has no end",
                    next_step=f"look into the log of the MLflow server {redact(self.connection.uri)}",
                )
            seen.add(token)

    def _models(self, condition: str) -> Iterator[FoundModel]:
        return self.pages("the registry", self._door.models, condition=condition, limit=MODELS_PER_PAGE)

    def _versions(self, condition: str) -> Iterator[Version]:
        return self.pages("the registry", self._door.versions, condition=condition, limit=VERSIONS_PER_PAGE)

    def _runs(self, wanted: Collection[str | None]) -> dict[str, Run]:
        """The runs with these ids, deleted ones included, as many to a request as the server takes."""
        ids = sorted(run_id for run_id in wanted if run_id and run_id.isalnum())
        if not ids:
            return {}
        experiments = list(self.pages("the experiments", self._door.experiments, limit=EXPERIMENTS_PER_PAGE))
        found: dict[str, Run] = {}
        start, most = 0, RUNS_PER_REQUEST
        while start < len(ids):
            some = ids[start : start + most]
            try:
                runs = self._read(
                    "the runs of the versions", functools.partial(self._door.runs, experiments, some)
                )
            except JenkinsMlflowError as error:
                if len(some) == 1 or not _too_much(error):
                    raise
                most = len(some) // 2
                continue
            found |= {run.run_id: run for run in runs}
            start += len(some)
        return found


def _too_much(error: JenkinsMlflowError) -> bool:
    """Whether a smaller request may succeed where this one failed."""
    cause = error.__cause__
    return cause is not None and (classify(cause).status in _TOO_MUCH or isinstance(cause, AnswerTooLarge))


def _model(model: FoundModel, versions: Iterable[Version], runs: Mapping[str, Run]) -> Model:
    of_version: dict[int, list[str]] = defaultdict(list)
    for alias, number in sorted(model.aliases.items()):
        of_version[number].append(alias)
    built = (
        replace(
            version, aliases=tuple(of_version.get(version.number, ())), run=runs.get(version.run_id or "")
        )
        for version in versions
    )
    ordered = tuple(sorted(built, key=lambda version: -version.number))
    return Model(model.name, ordered, model.aliases, model.tags)
