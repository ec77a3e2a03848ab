"""A candidate of the config: a command, or a command with a matrix of parameters for many candidates."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from jenkins_mlflow.config.mistakes import did_you_mean, expected
from jenkins_mlflow.config.values import one_or_list, parse_candidate_name, parse_command, schema

_KEYS = ("command", "matrix")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_TEXT = {"type": "string", "minLength": 1}


@dataclass(frozen=True)
class Grid:
    """A training command, and the values of each parameter for it. Without a matrix: one candidate."""

    command: tuple[str, ...]
    matrix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.matrix.values())

    def expand(self, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Name and command of every candidate, the last parameter changing fastest.

        >>> grid = Grid(("fit", "--trees={trees}"), {"trees": ("100", "300")})
        >>> list(grid.expand("forest"))
        [('forest-trees-100', ('fit', '--trees=100')), ('forest-trees-300', ('fit', '--trees=300'))]
        """
        if not self.matrix:
            yield name, self.command
            return
        for values in itertools.product(*self.matrix.values()):
            chosen = dict(zip(self.matrix, values, strict=True))
            marks = "".join(f"-{key}-{_NOT_IN_A_NAME.sub('-', value)}" for key, value in chosen.items())
            yield name + marks, tuple(word.format_map(chosen) for word in self.command)


def parse_grid(value: Any) -> Grid:
    """Read a command, or a mapping of ``command`` and ``matrix``."""
    if isinstance(value, Grid):
        return value
    if not isinstance(value, Mapping):
        return Grid(parse_command(value))
    for key in value:
        if key not in _KEYS:
            raise expected("a command, or the keys command and matrix", did_you_mean(str(key), _KEYS))
    if "command" not in value:
        raise expected("the key command beside matrix")
    try:
        command = parse_command(value["command"])
    except PydanticCustomError as error:
        context = error.context or {}
        raise expected(f"under command {context['what']}", context["hint"]) from None
    matrix = _parse_matrix(value.get("matrix") or {})
    if matrix:
        _check_placeholders(command, matrix)
    return Grid(command, matrix)


def _parse_matrix(value: Any) -> dict[str, tuple[str, ...]]:
    what = "a matrix of parameters, each with a list of values, such as {depth: [3, 5]}"
    if not isinstance(value, Mapping):
        raise expected(what)
    parsed: dict[str, tuple[str, ...]] = {}
    for key, values in value.items():
        at = ("matrix", key)
        if not isinstance(key, str) or not _PARAMETER.fullmatch(key):
            raise expected(
                "matrix parameters of letters, digits and underscores", "; the command has them in {braces}"
            )
        if not isinstance(values, list) or not values:
            raise expected("a list of values for the matrix parameter", item=(at, values))
        texts: list[str] = []
        for index, item in enumerate(values):
            if not isinstance(item, str | int | float):
                raise expected("a text, a number, true or false", item=((*at, index), item))
            text = str(item).lower() if isinstance(item, bool) else str(item)
            if not text.isprintable():
                raise expected("one line of text", item=((*at, index), text))
            if text in texts:
                raise expected(
                    "each value once", f" twice, at [{texts.index(text)}] too", item=((*at, index), item)
                )
            texts.append(text)
        parsed[key] = tuple(texts)
    return parsed


def _check_placeholders(command: tuple[str, ...], matrix: Mapping[str, tuple[str, ...]]) -> None:
    used: set[str] = set()
    try:
        for word in command:
            for _, name, form, conversion in Formatter().parse(word):
                if name is None:
                    continue
                if name not in matrix or form or conversion:
                    raise expected(
                        f"no placeholders but {', '.join(f'{{{key}}}' for key in matrix)} under command",
                        did_you_mean(name, matrix) or "; write {{ and }} for braces",
                    )
                used.add(name)
    except PydanticCustomError:
        raise
    except ValueError:
        raise expected("pairs of braces under command", "; write {{ and }} for braces") from None
    for key in matrix:
        if key not in used:
            raise expected(f"{{{key}}} under command, where the matrix parameter goes")


def expand(grids: Mapping[str, Grid], limit: int) -> dict[str, tuple[str, ...]]:
    """All candidates by name.

    Raises:
        ValueError: There are more than ``limit``, two have one name or one that differs only in case, as macOS has one
            log file for both, or a name is too long; the text says which.
    """
    count = sum(len(grid) for grid in grids.values())
    if count > limit:
        raise ValueError(f"{count} candidates, more than max_candidates ({limit})")
    found: dict[str, tuple[str, ...]] = {}
    logs: dict[str, str] = {}
    for base, grid in grids.items():
        for name, command in grid.expand(base):
            if name in found:
                raise ValueError(f"two candidates of the name {name}")
            if other := logs.get(name.casefold()):
                raise ValueError(
                    f"the candidates {other} and {name}, which would have one log where case does not matter"
                )
            logs[name.casefold()] = name
            try:
                found[parse_candidate_name(name)] = command
            except PydanticCustomError:
                raise ValueError(
                    f"a candidate name of {len(name)} characters ({name[:40]}...), more than 100"
                ) from None
    return found


Candidate = Annotated[
    Grid,
    BeforeValidator(parse_grid),
    schema(
        {
            "anyOf": [
                one_or_list(_TEXT, minItems=1),
                {
                    "type": "object",
                    "properties": {
                        "command": one_or_list(_TEXT, minItems=1),
                        "matrix": {
                            "type": "object",
                            "additionalProperties": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": ["string", "number", "boolean"]},
                            },
                        },
                    },
                    "required": ["command"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
