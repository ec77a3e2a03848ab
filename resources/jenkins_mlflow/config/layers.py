"""The layers of a config, put together: the values, where each came from, and all that is wrong with them."""

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
    """Where a value came from.

    Attributes:
        text: What a person looks for: file and line, variable or option.
        order: Its place among the layers.
        implied: The key path that the text implies already.
        in_file: Whether that is the file.
    """

    text: str
    order: tuple[int, int]
    implied: KeyPath = ()
    in_file: bool = False

    def line(self, path: KeyPath, message: str) -> str:
        """One problem as one line; the path is left out as far as the origin implies it."""
        if self.implied[: len(path)] == path:
            path = ()
        elif path[: len(self.implied)] == self.implied:
            path = path[len(self.implied) :]
        return ": ".join(part for part in (self.text, show_path(path), message) if part)


@dataclass(frozen=True)
class Problem:
    """A value that is wrong: where it came from, its key path, and what is wrong with it."""

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
        page: What describes every key: a page of the documentation, or a command.
        data: The values.
        origins: Where each came from.
        problems: What is wrong with them.
    """

    source: Path | None
    page: str
    data: dict[Hashable, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def origin(self, path: KeyPath) -> Origin:
        """The origin of a value, or of the nearest part of the config that it is in."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path) or Origin(
            str(self.source or "configuration"), (0, 0), in_file=self.source is not None
        )

    def latest(self, path: KeyPath, keys: Iterable[str]) -> Origin:
        """Of some keys of a section, the origin of the one that was set last; else the section's own."""
        set_keys = [self.origins[at] for at in ((*path, key) for key in keys) if at in self.origins]
        return max(set_keys, key=lambda origin: origin.order, default=self.origin(path))

    def add(self, origin: Origin, path: KeyPath, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(origin, path, message))

    def fail_on_problems(self) -> None:
        """Raise all problems at once, in the order of the layers and lines."""
        if self.problems:
            problems = sorted(self.problems, key=lambda problem: problem.origin.order)
            raise self._error("\n".join(problem.line for problem in problems), self._places(problems))

    def _places(self, problems: Sequence[Problem]) -> str:
        """What a person corrects: keys of the file, variables, options."""
        in_file = [problem for problem in problems if problem.origin.in_file]
        keys = list(dict.fromkeys(show_path(problem.path) for problem in in_file if problem.path))
        named = f"{listed(keys, MOST_KEYS)} in {self.source}" if keys else f"{self.source}"
        others = dict.fromkeys(problem.origin.text for problem in problems if not problem.origin.in_file)
        return ", ".join([*([named] if in_file else []), *others])

    def unreadable(self, message: str, line: int | None = None) -> ConfigError:
        """The error of a file that is not read at all, with the line that is to blame where one is."""
        at, place = ("", "") if line is None else (f":{line}", f"line {line} of ")
        return self._error(f"{self.source}{at}: {message}", f"{place}{self.source}")

    def _error(self, message: str, places: str) -> ConfigError:
        return ConfigError(message, next_step=f"correct {places}; {self.page} describes every key")

    def put(self, path: KeyPath, value: Any, origin: Origin) -> None:
        """Let a later layer set one value, whatever an earlier one said there."""
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
