"""The layers of a config, merged: the values, the origin of each, and all problems."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jenkins_mlflow.config.problems import KeyPath, show_path
from jenkins_mlflow.errors import ConfigError
from jenkins_mlflow.text import listed

MOST_KEYS = 3


@dataclass(frozen=True)
class Origin:
    """Where a value came from, for messages.

    Attributes:
        text: File and line, variable or option.
        order: Its place among the layers.
        implied: The key path that the text already implies.
        in_file: Whether that is the file.
    """

    text: str
    order: tuple[int, int]
    implied: KeyPath = ()
    in_file: bool = False

    def line(self, path: KeyPath, message: str) -> str:
        """One problem as one line; the part of the path that the origin implies is left out."""
        if self.implied[: len(path)] == path:
            path = ()
        elif path[: len(self.implied)] == self.implied:
            path = path[len(self.implied) :]
        return ": ".join(part for part in (self.text, show_path(path), message) if part)


@dataclass(frozen=True)
class Problem:
    """A wrong value: its origin, its key path, and the problem."""

    origin: Origin
    path: KeyPath
    message: str

    @property
    def line(self) -> str:
        return self.origin.line(self.path, self.message)


@dataclass
class Layers:
    """The merged values, the origin of each, and the problems found while reading.

    Attributes:
        source: The file, if there is one.
        page: The description of every key: a page of the documentation, or a command.
        data: The values.
        origins: The origin of each value.
        problems: The problems with them.
    """

    source: Path | None
    page: str
    data: dict[Hashable, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def origin(self, path: KeyPath) -> Origin:
        """The origin of a value, or of the nearest section that contains it."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path) or Origin(
            str(self.source or "configuration"), (0, 0), in_file=self.source is not None
        )

    def latest(self, path: KeyPath, keys: Iterable[str]) -> Origin:
        """The origin of the key of a section that was set last; else the section's own."""
        set_keys = [self.origins[at] for at in ((*path, key) for key in keys) if at in self.origins]
        return max(set_keys, key=lambda origin: origin.order, default=self.origin(path))

    def add(self, origin: Origin, path: KeyPath, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(origin, path, message))

    def fail_on_problems(self) -> None:
        """Raise all problems at once, in the order of the layers and lines."""
        if self.problems:
            problems = sorted(self.problems, key=lambda problem: problem.origin.order)
            raise self._error("\n".join(problem.line for problem in problems), self._places(problems))

    def _places(self, problems: Sequence[Problem]) -> str:
        """The places to correct: keys of the file, variables, options."""
        in_file = [problem for problem in problems if problem.origin.in_file]
        keys = list(dict.fromkeys(show_path(problem.path) for problem in in_file if problem.path))
        named = f"{listed(keys, MOST_KEYS)} in {self.source}" if keys else f"{self.source}"
        others = dict.fromkeys(problem.origin.text for problem in problems if not problem.origin.in_file)
        return ", ".join([*([named] if in_file else []), *others])

    def unreadable(self, message: str, line: int | None = None) -> ConfigError:
        """The error for a file that cannot be read, with the line of the problem if there is one."""
        at, place = ("", "") if line is None else (f":{line}", f"line {line} of ")
        return self._error(f"{self.source}{at}: {message}", f"{place}{self.source}")

    def _error(self, message: str, places: str) -> ConfigError:
        return ConfigError(message, next_step=f"correct {places}; {self.page} describes every key")

    def put(self, path: KeyPath, value: Any, origin: Origin) -> None:
        """Set one value in a later layer, whatever an earlier one has there."""
        place: Any = self.data
        for depth, key in enumerate(path[:-1], start=1):
            if place.get(key) is None:
                place[key] = {}
                self.origins.setdefault(path[:depth], origin)
            place = place[key]
            if not isinstance(place, dict):
                return  # the earlier layer's own mistake, which is reported as such
        place[path[-1]] = value
        self.origins = {at: where for at, where in self.origins.items() if at[: len(path)] != path}
        self.origins[path] = origin
