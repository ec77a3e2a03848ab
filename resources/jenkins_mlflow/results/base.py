"""What every command's result has; how a result becomes a document, once and at the end.

A field of a result is a key of its document. The text below a field is the key's meaning: it goes into the JSON Schema
and from there into docs/results.md.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from jenkins_mlflow import errors
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.text import redact

if TYPE_CHECKING:
    from typing_extensions import Self  # 5 ms, for each --help

Document = dict[str, Any]
_AT_ONCE = 1000
Event = Literal["promoted", "by_hand", "rejected", "rolled_back", "drift", "cleanup_stopped"]
"""What people are told of."""


class Table(NamedTuple):
    """A result as rows: for CSV and Markdown, and for text unless the result has its own lines."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


class Meaning(NamedTuple):
    """What a status means, and the exit codes that go with it; the first is the usual one."""

    codes: tuple[int, ...]
    description: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a result that has keys itself."""


@dataclass(frozen=True, kw_only=True)
class Place(Part):
    """One version of a registered model."""

    model: str
    version: int


@dataclass(frozen=True, kw_only=True)
class RecoveredPart(Part):
    """An unfinished promotion that the command dealt with before its work."""

    model: str
    version: int
    outcome: Literal["finished", "undone", "left"]
    message: str


@dataclass(frozen=True, kw_only=True)
class ErrorPart(Part):
    """Why a command failed."""

    type: str
    """The kind of the error, such as `ConfigError`, `NotFound` or `Busy`."""
    message: str
    """What happened, to which model and version."""
    state: str
    """What state things are in now; may be empty."""
    next_step: str
    """What a person can do next; may be empty."""


def error_part(error: JenkinsMlflowError | Interrupted) -> ErrorPart:
    """An expected failure as a result shows it."""
    return ErrorPart(
        type=type(error).__name__,
        message=redact(error.message),
        state=redact(error.state),
        next_step=redact(error.next_step),
    )


@dataclass(frozen=True, kw_only=True)
class Result(Part):
    """What a command came to.

    Attributes:
        statuses: Every status that the command may end with.
        in_table: Whether the text for people begins with the table.
    """

    statuses: ClassVar[Mapping[str, Meaning]] = {}
    in_table: ClassVar[bool] = False

    schema: Literal[1] = 1
    """The version of the format. It changes only if a key changes its meaning or is removed, not if one is added."""
    command: str
    """The command's name."""
    status: str
    """How the command ended, in one word."""
    code: int | None = None
    """As in docs/commands.md."""
    message: str
    """The same in one sentence, for people. Its words may change: test `status`, not `message`."""
    error: ErrorPart | None = None
    """Why the command failed; null if it did not."""

    @property
    def exit_code(self) -> int:
        """The one that was given, else the usual one of the status."""
        return self.statuses[self.status].codes[0] if self.code is None else self.code

    @property
    def next_step(self) -> str:
        """What a person can do next; empty if there is nothing to do."""
        return ""

    def advised(self, advice: Callable[[str], str]) -> Self:
        """The result with its commands completed, see ``cli/repeated.py``."""
        error = self.error and replace(
            self.error, message=advice(self.error.message), next_step=advice(self.error.next_step)
        )
        return replace(self, message=advice(self.message), error=error)

    def table(self) -> Table:
        """The rows for CSV, Markdown and text."""
        return Table(("command", "status", "message"), [(self.command, self.status, self.message)])

    @property
    def message_was_shown(self) -> bool:
        """Whether a person has read the message already, as that of an error."""
        return False

    def lines(self) -> list[str] | None:
        """The text for people above the message, where a table does not do; None where it does."""
        return None


@dataclass(frozen=True, kw_only=True)
class RegistryResult(Result):
    """What a command came to that works with a registry."""

    build: str | None = None
    """The build that the command belongs to, or null."""
    time: str = ""
    """When the command ended, in UTC; empty if it failed before its work began."""
    warnings: tuple[str, ...] = ()
    """What else should be known, a sentence each."""
    recovered: tuple[RecoveredPart, ...] = ()
    """Unfinished promotions that this command dealt with."""
    tracking_uri: str | None = None
    """The server or store, without any password; null if the command failed before it was known."""
    event: Event | None = None
    """The event to notify people of, see docs/notify.md; null if there is none, or if `notify.on` leaves it out."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """In what a Jenkins step returns: by list, how many entries are missing, because it would be too large."""
    full_result: str = ""
    """The file of the report that has all of them, if `left_out` has any."""

    @property
    def promoted(self) -> Place | None:
        """The version that this command put into production, or found there as asked for."""
        return None


@dataclass(frozen=True, kw_only=True)
class Failure(RegistryResult):
    """A command that failed or was stopped, and has nothing else to report."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "error": Meaning(
            (errors.FAILED, errors.USAGE, errors.BUSY), "the command failed; `error` says why, and what to do"
        ),
        "interrupted": Meaning((130, 143), "Ctrl-C or SIGTERM stopped the command"),
    }
    status: Literal["error", "interrupted"]


def failure(error: JenkinsMlflowError | Interrupted, command: str) -> Failure:
    """The result of a command that an expected failure ended."""
    return Failure(
        command=command,
        status="interrupted" if isinstance(error, Interrupted) else "error",
        code=error.exit_code,
        message=error.message,
        error=error_part(error),
    )


def document(result: Result) -> Document:
    """The result as JSON shows it."""
    return {key: plain(value) for key, value in _shown(result)}


def json_pieces(result: Result, *, ascii_only: bool = False) -> Iterator[str]:
    """The document as one line of JSON, piece by piece: in one text, 100,000 versions would take 90 MB more.

    Args:
        result: What the command came to.
        ascii_only: Whether other characters become JSON's own escapes.
    """
    encode = functools.partial(json.dumps, ensure_ascii=ascii_only, allow_nan=False)
    before = "{"
    for key, value in _shown(result):
        yield f"{before}{encode(key)}: "
        before = ", "
        if isinstance(value, tuple):
            for at in range(0, len(value), _AT_ONCE):
                yield (", " if at else "[") + encode(plain(value[at : at + _AT_ONCE]))[1:-1]
            yield "]" if value else "[]"
        else:
            yield encode(plain(value))
    yield "}"


def keys(name: str) -> tuple[str, ...]:
    """The keys that a field becomes: Python has no field `from`, and `code` is two, the code and what it means."""
    return ("exit_code", "build_result") if name == "code" else (name.rstrip("_"),)


def _shown(result: Result) -> Iterator[tuple[str, object]]:
    """The keys of a document with their values, not yet plain."""
    for one in dataclasses.fields(result):
        values: tuple[object, ...] = (getattr(result, one.name),)
        if one.name == "code":
            values = (result.exit_code, errors.build_result(result.exit_code))
        elif one.name == "message":
            values = (redact(result.message),)
        yield from zip(keys(one.name), values, strict=True)


def plain(value: object) -> object:
    if isinstance(value, Result):
        return document(value)
    if isinstance(value, Part):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value  # JSON has no NaN


def day(milliseconds: int) -> str:
    """A time as `2026-11-28 09:15` (UTC); empty for none."""
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M")
