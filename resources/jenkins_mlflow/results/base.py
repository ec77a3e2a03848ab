"""The common part of all results, and how a result becomes a document, once and at the end.

A field of a result is a key of its document. The string below a field describes the key: it goes into the
JSON Schema and from there into docs/results.md.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from jenkins_mlflow import errors
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError
from jenkins_mlflow.text import redact
from jenkins_mlflow.times import shown

if TYPE_CHECKING:
    from typing_extensions import Self  # would cost each --help 5 ms

Document = dict[str, Any]
_AT_ONCE = 1000
Event = Literal["promoted", "by_hand", "rejected", "rolled_back", "drift", "cleanup_stopped"]
"""The events of which people are notified."""


class Table(NamedTuple):
    """A result as rows: for CSV and Markdown, and for text unless the result has its own lines."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


class Meaning(NamedTuple):
    """The meaning of a status.

    Attributes:
        codes: Its exit codes; the first is the usual one.
        description: The meaning in words.
        event: The event that people are notified of; None if it is no news.
    """

    codes: tuple[int, ...]
    description: str
    event: Event | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a result that has keys of its own."""


class Numbered(Protocol):
    """A version of a registered model, by its model's name and its number."""

    @property
    def model(self) -> str: ...

    @property
    def number(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Place(Part):
    """One version of a registered model."""

    model: str
    version: int

    @classmethod
    def of(cls, version: Numbered) -> Place:
        return cls(model=version.model, version=version.number)


@dataclass(frozen=True, kw_only=True)
class RecoveredPart(Part):
    """An unfinished promotion that the command settled before its own work."""

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
    """The current state; may be empty."""
    next_step: str
    """What a person can do next; may be empty."""


def error_part(error: JenkinsMlflowError | Interrupted) -> ErrorPart:
    """An expected failure, as a result shows it."""
    return ErrorPart(
        type=type(error).__name__,
        message=redact(error.message),
        state=redact(error.state),
        next_step=redact(error.next_step),
    )


@dataclass(frozen=True, kw_only=True)
class Result(Part):
    """The result of a command.

    Attributes:
        statuses: Every status that the command may end with.
        in_table: Whether the text output begins with the table.
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
        """The explicit code, else the usual one of the status."""
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
        """Whether the message has already been shown, as that of an error."""
        return False

    def lines(self) -> list[str] | None:
        """The text output above the message, if a table is not enough; else None."""
        return None


@dataclass(frozen=True, kw_only=True)
class RegistryResult(Result):
    """The result of a command that works with a registry."""

    build: str | None = None
    """The build that the command belongs to, or null."""
    time: str = ""
    """When the command ended, in UTC."""
    warnings: tuple[str, ...] = ()
    """Further notes, one sentence each."""
    recovered: tuple[RecoveredPart, ...] = ()
    """Unfinished promotions that this command settled."""
    tracking_uri: str | None = None
    """The server or store, without any password; null if the command failed before it was known."""
    event: Event | None = None
    """The event to notify people of, see docs/notify.md; null if there is none, or if `notify.on` leaves it out."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """In the result of a Jenkins step: by list, how many entries are left out to limit its size."""
    full_result: str = ""
    """The file of the report that has all of them, if `left_out` is not empty."""

    @property
    def news(self) -> Event | None:
        """The event of this result, even if `notify.on` leaves it out; None if it is no news."""
        return self.statuses[self.status].event

    @property
    def promoted(self) -> Place | None:
        """The version that this command put into production, or found there as requested."""
        return None


@dataclass(frozen=True, kw_only=True)
class Failure(RegistryResult):
    """A command that failed or was stopped, and has nothing else to report."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "error": Meaning(
            (errors.FAILED, errors.USAGE, errors.BUSY),
            "the command failed; `error` says why, and what to do next",
            None,
        ),
        "interrupted": Meaning((130, 143), "Ctrl-C or SIGTERM stopped the command", None),
    }
    status: Literal["error", "interrupted"]

    @property
    def news(self) -> Event | None:
        failed_cleanup = self.command == "cleanup" and self.status == "error"
        return event_of_a_cleanups_error(self) if failed_cleanup else None


def event_of_a_cleanups_error(result: Result) -> Event | None:
    """A cleanup mostly runs at night, so its errors are news; a mistyped option is not: the command reports it."""
    return None if result.exit_code == errors.USAGE else "cleanup_stopped"


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
    """The result as a JSON document."""
    return {key: plain(value) for key, value in _shown(result)}


def json_pieces(result: Result, *, ascii_only: bool = False) -> Iterator[str]:
    """The document as one line of JSON, in pieces: a single text of 100,000 versions would take 90 MB more.

    Args:
        result: The command's result.
        ascii_only: Whether other characters are escaped as JSON allows.
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
    """The keys of a field: `from_` becomes `from`, and `code` becomes two, the code and its meaning."""
    return ("exit_code", "build_result") if name == "code" else (name.rstrip("_"),)


def _shown(result: Result) -> Iterator[tuple[str, object]]:
    """The keys of a document with their values, not yet plain values."""
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
    """A time as `2026-11-28 09:15` (UTC); empty for 0."""
    return shown(milliseconds, "%Y-%m-%d %H:%M") if milliseconds else ""
