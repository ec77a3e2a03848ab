"""The registry as the commands use it: everything that ``reading.py`` reads, and the few writes, through one door."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.registry.connection import Connection
from jenkins_mlflow.registry.doors import Send, Sends, at_once
from jenkins_mlflow.registry.faults import classify, unless_there
from jenkins_mlflow.registry.reading import NO_KEYS, Reader
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import (
    FLAG_PREFIX,
    LONGEST_TAG,
    METHOD,
    OTHER_RECORDS,
    PROBE_PREFIX,
    SIGNATURE_TAG,
    TARGET,
)
from jenkins_mlflow.text import printable

_NO_ALIAS = "jenkins-mlflow-may-i"


class FoundFlag(NamedTuple):
    """A flag of lock.py; ``renewed`` is in milliseconds of the store's clock, ``signed`` is true without a key."""

    name: str
    renewed: int
    tags: Mapping[str, str]
    signed: bool = True


class Registry(Reader):
    """The registry behind one connection: the reads of ``Reader``, and every write.

    Each write is tried once. Callers own the retries, because only they can find out whether a write whose
    answer was lost took effect.

    Raises (every method that writes): what ``Reader`` raises, and
        LockLost: the lock is no longer held, so the write was not sent.

    Args:
        connection: The connection to use.
        retry: The retry policy for reads.
        keys: The keys for signing intents, flags and records.
        target: See ``Reader``; records are written for it.
        send: Sends each request that writes.
    """

    def __init__(
        self,
        connection: Connection,
        retry: RetryPolicy | None = None,
        keys: Keys = NO_KEYS,
        target: Target | None = None,
        *,
        send: Send = at_once,
    ) -> None:
        super().__init__(connection, retry, keys, target)
        self.send = send

    def under(self, lock: Sends) -> Registry:
        """The same registry under a lock: every single request that writes is sent by ``lock.send``."""
        return Registry(self.connection, self._retry, self._keys, self.target, send=lock.send)

    def writing(self, what: str, write: Callable[[], object]) -> None:
        """Make one write that is safe to repeat, with the retries of ``retrying``; ``send`` sends each try."""
        self.retrying(what, lambda: self.send(write))

    def set_stage(self, name: str, number: int, stage: str, *, archive_existing: bool = False) -> None:
        """Transition a version's stage; safe to repeat."""
        self.send(lambda: self._door.set_stage(name, number, stage, archive_existing=archive_existing))

    def set_alias(self, name: str, alias: str, number: int) -> None:
        """Point an alias at a version; an upsert, safe to repeat."""
        self.send(lambda: self._door.set_alias(name, alias, number))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; it is not an error if the alias does not exist."""
        self.send(lambda: self._door.delete_alias(name, alias))

    def why_no_alias_can_be_deleted(self, name: str) -> str:
        """Why this account may not delete a model's aliases, tested with one that no model has; empty if it may."""
        try:
            self.delete_alias(name, _NO_ALIAS)
        except Exception as error:
            fault = classify(error)
            if isinstance(error, JenkinsMlflowError):
                raise
            return fault.summary if fault.status == 403 else ""
        return ""

    @property
    def signs(self) -> bool:
        """Whether there is a signing key."""
        return bool(self._keys)

    def record(self, name: str, number: int, tags: Mapping[str, str]) -> None:
        """Write tags of a version's promotion record, and sign them if there is a key.

        The first tags are the records for other targets and the target, so that a record is never for the wrong one.
        """
        if self.target and METHOD in tags:
            first = {name: tags[name] for name in (OTHER_RECORDS,) if name in tags}
            tags = {**first, TARGET: self.target.marks, **tags}
        if self._keys:
            tags = self._keys.record(self._door.version(name, number), _cut(tags))
        self.tag_version(name, number, tags)

    def intent_tags(self, name: str, tags: Mapping[str, str]) -> dict[str, str]:
        """The tags to write for a model's intent: its own, and a signature if there is a key."""
        return self._keys.intent(name, tags)

    def tag_version(self, name: str, number: int, tags: Mapping[str, str]) -> None:
        """Set tags on a version; MLflow keeps 5,000 characters of a value."""
        for key, value in _cut(tags).items():
            self.send(functools.partial(self._door.tag_version, name, number, key, value))

    def untag_version(self, name: str, number: int, key: str) -> None:
        """Remove a tag from a version; it is not an error if the tag does not exist."""
        try:
            self.send(lambda: self._door.untag_version(name, number, key))
        except Exception as error:
            if not classify(error).not_found:
                raise

    def tag_model(self, name: str, key: str, value: str) -> None:
        """Set a tag on a registered model; an upsert, safe to repeat."""
        self.send(lambda: self._door.tag_model(name, key, value))

    def untag_model(self, name: str, key: str) -> None:
        """Remove a tag from a registered model; it is not an error if the tag does not exist."""
        try:
            self.send(lambda: self._door.untag_model(name, key))
        except Exception as error:
            # A database store accepts that silently, a file store answers 404. So it does if the model itself is gone.
            if not classify(error).not_found:
                raise

    def copy_version(self, name: str, number: int, into: str) -> int:
        """Add a copy of a version, a pointer to the same files, to another model. Return its number there."""
        return self._door.copy_version(name, number, into, self.send)

    def raise_flag(self, name: str, tags: Mapping[str, str], description: str) -> int:
        """Create a flag of lock.py. Return its time, in milliseconds of the store's clock."""
        created = self._door.create_model(name, tags, description)
        return created if self.connection.over_http else self.renew_flag(name, description)

    def sign_flag(self, name: str) -> None:
        """Sign a flag's present content if there is a key; 2 requests. The signature is valid only for this flag."""
        if self._keys:
            flag = self._door.model(name)
            self._door.tag_model(name, SIGNATURE_TAG, self._keys.flag(name, flag.created, flag.tags))

    def renew_flag(self, name: str, description: str) -> int:
        """Write the store's present time into a flag. Return that time in milliseconds."""
        return self._door.stamp(name, description)

    def lower_flag(self, name: str) -> None:
        """Remove a flag; it is not an error if the flag does not exist."""
        try:
            self._door.delete_model(name)
        except Exception as error:
            if not classify(error).not_found:
                raise

    def flags(self) -> list[FoundFlag]:
        """Every flag. 1 request."""
        return [
            FoundFlag(
                model.name,
                model.updated,
                model.tags,
                self._keys.count_flag(model.name, model.created, model.tags),
            )
            for model in self._models(f"name LIKE '{FLAG_PREFIX}%'")
            if model.name.startswith(FLAG_PREFIX)
        ]

    def probes(self, before: float = math.inf) -> list[str]:
        """The names of the scratch models that a probe has left behind or is still using. 1 request.

        Args:
            before: Only those created before this time by the store's clock, in seconds since 1970.
        """
        found = self._models(f"name LIKE '{PROBE_PREFIX}%'")
        return [
            model.name
            for model in found
            if model.name.startswith(PROBE_PREFIX) and model.created < before * 1000
        ]

    def make_model(self, name: str) -> bool:
        """Register a model unless it exists. Return whether it was missing."""
        missing = self.find_model(name) is None
        if missing:
            self.writing(
                f"registering {printable(name)} again",
                lambda: unless_there(lambda: self._door.create_model(name, {}, "")),
            )
        return missing

    def register_version(self, like: Version, tags: Mapping[str, str]) -> int:
        """Register a version with another one's source, run and description. Return its number. Not safe to repeat."""
        # A server accepts a logged model as a source only with its id, which it does not return (MLflow 3.17.2).
        logged = re.fullmatch(r"models:/(m-[0-9a-f]+)/?", like.source)
        model_id = logged.group(1) if logged else ""
        return self.send(lambda: self._door.create_version(like, tags, model_id))

    def delete_version(self, name: str, number: int) -> None:
        """Delete a version's record; its run and artifacts stay."""
        self.send(lambda: self._door.delete_version(name, number))


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:LONGEST_TAG] for key, value in tags.items()}
