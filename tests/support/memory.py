"""A registry in memory with MLflow's semantics, for thousands of promotions that go wrong in every way.

It stands for ``Registry`` in the classes that promote. ``tests/server/test_memory.py`` compares it with a real server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.runs import RunsOf
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import ARCHIVED, Run, Target, Version

Call = tuple[str, str]
"""What a request does, and to which model."""


class Killed(BaseException):
    """The process ends here: nothing that it would still have done is done."""


class Broken(BaseException):
    """A promise is broken. It is not an ``Exception``: nothing that is tested may take it for a failed request."""


@dataclass
class Stored:
    """One registered model."""

    versions: dict[int, Version] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    newest: int = 0


class World:
    """What is stored; every method is one request that has arrived.

    Args:
        reuse_numbers: Whether the number of a deleted newest version is given again, as in a model that was deleted and
            made again.
    """

    def __init__(self, *, reuse_numbers: bool = False) -> None:
        self.models: dict[str, Stored] = {}
        self.runs: dict[str, Run] = {}
        self._reuse = reuse_numbers
        self._clock = 0

    def make_model(self, name: str) -> None:
        self.models.setdefault(name, Stored())

    def make_version(self, name: str, source: str = "", run_id: str | None = None) -> int:
        model = self._model(name)
        model.newest = max(model.versions, default=0) + 1 if self._reuse else model.newest + 1
        self._clock += 1
        run = run_id or f"run-{self._clock}"
        model.versions[model.newest] = Version(
            name, model.newest, created=self._clock, run_id=run, source=source
        )
        return model.newest

    def copy_version(self, source: str, name: str) -> None:
        _, origin, number = source.replace("models:/", "models/").split("/")
        version = self._version(origin, int(number))
        self.make_model(name)
        copy = self.make_version(name, source, version.run_id)
        stored = self.models[name].versions
        stored[copy] = replace(stored[copy], tags=dict(version.tags))

    def delete_version(self, name: str, number: int) -> None:
        self._version(name, number)
        model = self.models[name]
        del model.versions[number]
        model.aliases = {alias: holder for alias, holder in model.aliases.items() if holder != number}

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool = False) -> None:
        self._version(name, number)
        versions = self.models[name].versions
        for other, version in versions.items():
            if archive_existing and version.stage == stage and other != number:
                versions[other] = replace(version, stage=ARCHIVED)
        versions[number] = replace(versions[number], stage=stage)

    def set_alias(self, name: str, alias: str, number: int) -> None:
        self._version(name, number)
        self.models[name].aliases[alias] = number

    def delete_alias(self, name: str, alias: str) -> None:
        self._model(name).aliases.pop(alias, None)

    def tag_model(self, name: str, key: str, value: str) -> None:
        self._model(name).tags[key] = value

    def untag_model(self, name: str, key: str) -> None:
        self._model(name).tags.pop(key, None)

    def tag_version(self, name: str, number: int, key: str, value: str) -> None:
        version = self._version(name, number)
        self.models[name].versions[number] = replace(version, tags={**version.tags, key: value})

    def make_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.runs[run_id] = Run(run_id, tags=tags)

    def tag_run(self, run_id: str, key: str, value: str) -> None:
        run = self.runs[run_id]
        self.runs[run_id] = replace(run, tags={**run.tags, key: value})

    def read(self, name: str) -> Model | None:
        stored = self.models.get(name)
        if stored is None:
            return None
        aliases = dict(sorted(stored.aliases.items()))
        versions = tuple(
            replace(
                version,
                aliases=tuple(alias for alias, holder in aliases.items() if holder == number),
                run=self.runs.get(version.run_id or ""),
            )
            for number, version in sorted(stored.versions.items(), reverse=True)
        )
        return Model(name, versions, aliases, dict(stored.tags))

    def _model(self, name: str) -> Stored:
        if name not in self.models:
            raise missing(f"Registered Model with name={name} not found")
        return self.models[name]

    def _version(self, name: str, number: int) -> Version:
        if number not in self._model(name).versions:
            raise missing(f"Model Version (name={name}, version={number}) not found")
        return self.models[name].versions[number]


def missing(text: str) -> Exception:
    """What MLflow's client raises for what is not there."""
    return _answer("RESOURCE_DOES_NOT_EXIST", text)


def refused() -> Exception:
    """What MLflow's client raises for what an account may not do."""
    return _answer("PERMISSION_DENIED", "Permission denied")


def _answer(code: str, text: str) -> Exception:
    from mlflow.exceptions import RestException

    error: Exception = RestException({"error_code": code, "message": text})
    return error


class MemoryRegistry(Registry):
    """``Registry`` over a ``World``.

    Args:
        world: What is stored.
        send: Carries each write out, or does not; given what it is and its effect. Replaced to break it.
        look: Told which models are about to be read.
        target: What marks production, for the records.
    """

    def __init__(
        self,
        world: World,
        send: Callable[[Call, Callable[[], None]], None] = lambda call, effect: effect(),
        look: Callable[[Sequence[str]], None] = lambda names: None,
        target: Target | None = None,
    ) -> None:
        self.world = world
        self._send = send
        self._look = look
        client: Any = SimpleNamespace()
        connection: Any = SimpleNamespace(uri="http://memory", over_http=True, client=client)
        self.connection = connection
        self._keys = Keys()
        self.target = target

    def snapshot(self, patterns: Sequence[str], *, with_runs: bool | RunsOf = False) -> Snapshot:
        self._look(patterns)
        names = [name for name in sorted(self.world.models) if matches(name, patterns)]
        return Snapshot(tuple(model for name in names if (model := self.world.read(name))))

    def model(self, name: str) -> Model:
        self._look([name])
        model = self.world.read(name)
        if model is None:
            raise NotFound(f"reading model {name}: not in the registry http://memory")
        return model

    def version(self, name: str, number: int) -> Version:
        found = self.model(name).version(number)
        if found is None:
            raise NotFound(f"reading {name} version {number}: not in the registry http://memory")
        return found

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool = False) -> None:
        self._send(
            ("set_stage", name),
            lambda: self.world.set_stage(name, number, stage, archive_existing=archive_existing),
        )

    def set_alias(self, name: str, alias: str, number: int) -> None:
        self._send(("set_alias", name), lambda: self.world.set_alias(name, alias, number))

    def delete_alias(self, name: str, alias: str) -> None:
        self._send(("delete_alias", name), lambda: self.world.delete_alias(name, alias))

    def why_no_alias_can_be_deleted(self, name: str) -> str:
        """Nothing says so before: what is refused is refused in the middle, which is worse."""
        return ""

    def tag_model(self, name: str, key: str, value: str) -> None:
        self._send(("tag_model", name), lambda: self.world.tag_model(name, key, value))

    def untag_model(self, name: str, key: str) -> None:
        self._send(("untag_model", name), lambda: self.world.untag_model(name, key))

    def tag_version(self, name: str, number: int, tags: Mapping[str, str]) -> None:
        for key, text in tags.items():
            self._tag(name, number, key, text)

    def _tag(self, name: str, number: int, key: str, text: str) -> None:
        self._send(("tag_version", name), lambda: self.world.tag_version(name, number, key, text))

    def delete_version(self, name: str, number: int) -> None:
        self._send(("delete_version", name), lambda: self.world.delete_version(name, number))

    def copy_version(self, name: str, number: int, into: str) -> int:
        self._send(("copy", into), lambda: self.world.copy_version(f"models:/{name}/{number}", into))
        return 0  # nobody asks: the copy is looked for afterwards
