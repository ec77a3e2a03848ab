"""Reads the registry page by page.

Facts (MLflow 2.22 to 3.17): a search for versions returns tags but never aliases or metrics, so aliases come from
the models and metrics from the runs. Pages have at most 1,000 models, 200,000 versions and 50,000 runs.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.parallel import WORKERS, side_by_side
from jenkins_mlflow.registry.asking import Asker
from jenkins_mlflow.registry.connection import Connection, foreign_host, local_path
from jenkins_mlflow.registry.door_types import FoundModel
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.logged_models import logged_models, logged_nan
from jenkins_mlflow.registry.names import members, name_filters
from jenkins_mlflow.registry.own_metrics import Sources, with_own_metrics
from jenkins_mlflow.registry.promotion_records import counted
from jenkins_mlflow.registry.retries import RetryPolicy, call_with_retries
from jenkins_mlflow.registry.runs import EVERY_RUN, RUNS_PER_REQUEST, RunsOf, by_ids
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.translation import not_found
from jenkins_mlflow.registry.version import Run, Target, Version
from jenkins_mlflow.tags import HIDDEN_PREFIXES

T = TypeVar("T")

MODELS_PER_PAGE = 1000
VERSIONS_PER_PAGE = 10_000
EXPERIMENTS_PER_PAGE = 1000
NO_KEYS = Keys()
_FEW = 8  # up to this many conditions are read one after the other: threads would gain nothing
_PROMPT_TAG = "mlflow.prompt.is_prompt"


class FilesUnknown(Exception):
    """This machine cannot find out whether a version's files still exist; the message says why."""


class Reader(Asker):
    """Reads the registry behind one connection, with retries. With keys, it also checks signatures.

    Raises (every method):
        ConnectionFailed: the server or store cannot be reached.
        NotFound: the model or version does not exist.
        RegistryError: MLflow refused the request.

    Args:
        connection: The connection to use.
        retry: The retry policy for reads.
        keys: The keys with which intents, flags and records are signed.
        target: What marks production; records for another stage and alias do not count. None: all count.
    """

    def __init__(
        self,
        connection: Connection,
        retry: RetryPolicy | None = None,
        keys: Keys = NO_KEYS,
        target: Target | None = None,
    ) -> None:
        super().__init__(connection, retry)
        self._keys = keys
        self.target = target

    def now(self) -> float:
        """The store's present time in seconds since 1970, from which versions' ages are calculated. 1 request."""
        return self._read("the registry's time", self._door.now)

    def snapshot(self, patterns: Sequence[str], *, with_runs: bool | RunsOf = False) -> Snapshot:
        """Read the group: 1 request per page of models, versions and experiments, and per 4,500 runs.

        Versions whose run logged several models cost more: 1 request per 100 such runs, and see ``own_metrics``.

        Args:
            patterns: Names or fnmatch patterns of registered models; what is the name of one is no pattern.
            with_runs: Whether metrics and run tags are needed, or for which versions.
        """
        models: dict[str, FoundModel] = {}
        versions: dict[str, dict[int, Version]] = defaultdict(dict)

        def read(condition: str) -> None:
            found_models = {model.name: model for model in self._models(condition)}
            for name in members(found_models, patterns):
                if not name.startswith(HIDDEN_PREFIXES):
                    models[name] = found_models[name]
            for found in self._versions(condition):
                if found.model in models:
                    versions[found.model][found.number] = found

        conditions = name_filters(patterns)
        side_by_side(read, conditions, workers=WORKERS if len(conditions) > _FEW else 1)
        group = tuple(self._model(models[name], versions[name].values()) for name in sorted(models))
        return Snapshot(self._with_runs(group, wanted=with_runs) if with_runs else group)

    def names(self) -> list[str]:
        """Every registered model's name, sorted: 1 request per 1,000 models."""
        return sorted(model.name for model in self._models("") if not model.name.startswith(HIDDEN_PREFIXES))

    def model(self, name: str) -> Model:
        """Read one model again: 2 requests, however many versions it has."""
        model = self._read(f"model {name}", lambda: self._door.model(name))
        if _PROMPT_TAG in model.tags:
            raise not_found(f"reading model {name}", self.connection.uri)
        named = _quoted(name)
        condition = f"name = {named}" if named else ""
        return self._model(model, [version for version in self._versions(condition) if version.model == name])

    def has_versions(self, name: str) -> bool:
        """Whether a model has any version; true also for a name that no filter can contain. 1 request."""
        named = _quoted(name)
        return not named or any(found.model == name for found in self._versions(f"name = {named}"))

    def find_model(self, name: str) -> Model | None:
        """Read one model again, like ``model``; None if it does not exist."""
        try:
            return self.model(name)
        except NotFound:
            return None

    def version(self, name: str, number: int) -> Version:
        """Read one version with its aliases: 1 request."""
        return self.vouched(self._read(f"{name} version {number}", lambda: self._door.version(name, number)))

    def versions_between(self, name: str, first: int, last: int) -> list[Version]:
        """A model's versions with numbers in a range, with their aliases; 2 requests in parallel.

        A version that is not among them may still exist, because a server leaves out what an account may not
        see.
        """
        named = _quoted(name)
        if not named:
            return []
        ends = f"version_number >= {first} AND version_number <= {last}"
        condition = f"name = {named} AND {ends}"
        with ThreadPoolExecutor(max_workers=1) as beside:
            asked = beside.submit(lambda: list(self._versions(condition)))
            model = self._read(f"model {name}", lambda: self._door.model(name))
            found = asked.result()
        return list(self._model(model, [version for version in found if version.model == name]).versions)

    def versions_with_tag(self, key: str) -> list[Version]:
        """Every version of the registry with this tag, without its aliases: 1 request per page."""
        return list(self._versions(f"tags.`{key}` LIKE '%'"))

    def every_version(self) -> list[Version]:
        """Every existing version of every registered model, without aliases: 1 request per 10,000."""
        return list(self._versions(""))

    def versions_of_run(self, run_id: str) -> list[Version]:
        """Every existing version of any model that names this run, without aliases: 1 request."""
        return list(self._versions(f"run_id = '{run_id}'"))

    def sees_all(self) -> bool | None:
        """Whether no model can be hidden from this account: 1 or 2 requests; None where nobody can tell."""
        return self._read("who this account is", self._door.sees_all)

    def models_with_tag(self, key: str) -> dict[str, dict[str, str]]:
        """The tags of every model of the registry with this tag, by name: 1 request per page."""
        return {model.name: dict(model.tags) for model in self._models(f"tags.`{key}` LIKE '%'")}

    def storage_uri(self, name: str, number: int) -> str:
        """Where the version's files are, according to the registry."""
        return self._read(f"{name} version {number}", lambda: self._door.storage_uri(name, number))

    def has_files(self, name: str, number: int) -> bool:
        """Whether the version's files still exist.

        Raises:
            FilesUnknown: this machine cannot find out, because they are in a folder of the server's machine
                or in a storage to which it has no access.
        """
        return self.has_files_at(self.storage_uri(name, number))

    def has_files_at(self, uri: str) -> bool:
        """Whether an address has any files; raises FilesUnknown like ``has_files``."""
        if host := foreign_host(uri, self.connection.uri):
            raise FilesUnknown(f"its files are on another host, {host}, and the login is not sent there")
        path = local_path(uri)
        if path is not None:
            if not path.exists() and self.connection.over_http:
                raise FilesUnknown(f"there is no {path} on this machine")
            return any(path.iterdir()) if path.is_dir() else path.exists()
        try:
            return call_with_retries(lambda: self._door.has_artifacts(uri), self._retry)
        except Exception as error:  # no access, no driver (boto3) or no answer
            raise FilesUnknown(classify(error).summary) from error

    def counts_intent(self, name: str, tags: Mapping[str, str]) -> bool:
        """Whether the intent among a model's tags is signed; true without a key."""
        return self._keys.count_intent(name, tags)

    def _read(self, what: str, call: Callable[[], T]) -> T:
        return self.retrying(f"reading {what}", call)

    def _models(self, condition: str) -> Iterator[FoundModel]:
        return self.pages("the registry", self._door.models, condition=condition, limit=MODELS_PER_PAGE)

    def _versions(self, condition: str) -> Iterator[Version]:
        found = self.pages("the registry", self._door.versions, condition=condition, limit=VERSIONS_PER_PAGE)
        return map(self.vouched, found) if self._keys or self.target else found

    def vouched(self, version: Version) -> Version:
        """The version with the promotion record that counts: for this target, and signed if there is a key."""
        return counted(version, self._keys.vouched(version) if self._keys else None, self.target)

    def _model(self, found: FoundModel, versions: Iterable[Version]) -> Model:
        return _model(found, versions, signed=self._keys.count_intent(found.name, found.tags))

    def _with_runs(self, group: tuple[Model, ...], *, wanted: bool | RunsOf) -> tuple[Model, ...]:
        """The same models with the wanted runs."""
        of = wanted if isinstance(wanted, RunsOf) else EVERY_RUN
        runs = self._runs(
            {v.run_id for model in group for v in model.versions if v.run_id and of.versions(v)}, of
        )
        versions = [replace(v, run=runs.get(v.run_id or "")) for model in group for v in model.versions]
        sources = Sources(
            functools.partial(logged_models, self), self._addresses, functools.partial(logged_nan, self)
        )
        rest = iter(with_own_metrics(versions, sources, of.keep))
        return tuple(replace(model, versions=tuple(next(rest) for _ in model.versions)) for model in group)

    def _addresses(self, versions: Sequence[Version]) -> list[str]:
        return side_by_side(lambda version: self.storage_uri(version.model, version.number), versions)

    def _runs(self, wanted: Collection[str], of: RunsOf = EVERY_RUN) -> dict[str, Run]:
        """The runs with these ids, including deleted ones, as many per request as the server accepts.

        Args:
            wanted: The ids.
            of: Which other runs to read, by tag (its value must not contain a quote), and what to keep of
                each.
        """
        ids, tag = sorted(run_id for run_id in wanted if run_id.isalnum()), of.tag
        if not ids and not tag:
            return {}
        experiments = list(self.pages("the experiments", self._door.experiments, limit=EXPERIMENTS_PER_PAGE))
        found: dict[str, Run] = {}
        if tag:
            tagged = self.pages(
                "the runs of the build",
                self._door.training_runs,
                experiments=experiments,
                condition=f"tags.`{tag[0]}` = '{tag[1]}'",
                limit=RUNS_PER_REQUEST,
            )
            found |= {one.run.run_id: of.keep(one.run) for one in tagged}
            ids = [run_id for run_id in ids if run_id not in found]
        read = functools.partial(self._door.runs, experiments)
        for run in by_ids(ids, lambda some: self._read("the runs of the versions", lambda: read(some))):
            found[run.run_id] = of.keep(run)
        return found


def _quoted(name: str) -> str:
    """A name quoted for a filter; empty if no filter can contain it."""
    quote = '"' if "'" in name else "'"
    return "" if quote in name else f"{quote}{name}{quote}"


def _model(model: FoundModel, versions: Iterable[Version], *, signed: bool) -> Model:
    of_version: dict[int, list[str]] = defaultdict(list)
    for alias, number in sorted(model.aliases.items()):
        of_version[number].append(alias)
    built = (
        replace(version, aliases=tuple(of_version[version.number]))
        if version.number in of_version
        else version
        for version in versions
    )
    ordered = tuple(sorted(built, key=lambda version: -version.number))
    return Model(model.name, ordered, model.aliases, model.tags, signed)
