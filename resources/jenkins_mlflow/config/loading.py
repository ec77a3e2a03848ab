"""Reads a config: file, environment and options into layers, and checks them against the model."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from jenkins_mlflow.config.layers import Layers, Origin
from jenkins_mlflow.config.problems import KeyPath, annotation_at, below, explain, kinds, section, show
from jenkins_mlflow.config.yaml_values import Loader, explain_yaml, line_of
from jenkins_mlflow.errors import ConfigError

ENV_PREFIX = "MLOPS__"
MAX_BYTES = 1_000_000
_TEXTS: set[Any] = {str, Literal, NoneType}
_NO_TEXTS = (bool, int, float, dict)
_NULLS = ("null", "Null", "NULL", "~")
_IN_QUOTES = re.compile(r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_IN_BRACKETS = re.compile(r"\[.*\]|\{.*\}", re.DOTALL)

M = TypeVar("M", bound=BaseModel)
Overrides = Mapping[str, tuple[str, object]]
"""The options of the command line: by dotted key, the option as typed and its value."""


def read_layers(
    model: type[BaseModel],
    source: Path | None,
    page: str,
    environ: Mapping[str, str],
) -> Layers:
    """Read file and environment into one set of values, not yet checked against the model.

    Args:
        model: The schema of the file.
        source: The file; None if there is none.
        page: The description of every key: a page of the documentation, or a command.
        environ: The environment; variables that start with ENV_PREFIX count.

    Raises:
        ConfigError: The file cannot be read or is not YAML with a mapping.
    """
    layers = Layers(source, page)
    if source is not None:
        _read_file(source, layers)
        _spell_out(model, layers.data)
    variables = [name for name in environ if name.startswith(ENV_PREFIX)]
    for number, name in enumerate(sorted(variables, key=lambda name: (name.count("__"), name))):
        path = _env_path(model, name.removeprefix(ENV_PREFIX).split("__"))
        value = _value(model, path, environ[name])
        short = _shorthand(annotation_at(model, path))
        path = (*path, short) if short and isinstance(value, str) else path
        layers.put(path, value, Origin(f"environment variable {name}", (1, number), path))
    return layers


def add_overrides(model: type[BaseModel], layers: Layers, overrides: Overrides) -> None:
    """Put the options of the command line over file and environment."""
    for number, (dotted, (option, value)) in enumerate(overrides.items()):
        path = tuple(dotted.split("."))
        origin = Origin(option, (2, number), path)
        layers.put(path, _value(model, path, value) if isinstance(value, str) else value, origin)
        if isinstance(value, list | tuple):
            # The option was given once for each item, so an index would not help.
            for index in range(len(value)):
                at = (*path, index)
                layers.origins[at] = Origin(option, (2, number), at)


def validate(model: type[M], layers: Layers) -> M:
    """Check the values against the model.

    Raises:
        ConfigError: All problems of reading and checking, one per line.
    """
    try:
        result = model.model_validate(layers.data)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            if problem["type"] == "default_factory_not_called":
                continue  # a default that depends on a key with a problem of its own
            path, shown, message = explain(model, problem)
            layers.add(layers.latest(path, problem.get("ctx", {}).get("keys", ())), shown, message)
    layers.fail_on_problems()
    return result


def _read_file(source: Path, layers: Layers) -> None:
    """Read the YAML file and record the line of every key."""
    try:
        with source.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{source}: cannot be read: {error.strerror or error}",
            next_step="give a file that exists and that you may read",
        ) from error
    except UnicodeDecodeError as error:
        line, byte = error.object[: error.start].count(b"\n") + 1, error.object[error.start]
        raise layers.unreadable(f"expected UTF-8 text, got the byte 0x{byte:02x}", line) from error
    if len(content) > MAX_BYTES:
        raise layers.unreadable(f"expected a config of at most {MAX_BYTES} bytes, got more")
    try:
        loader = Loader(text)
        root = loader.get_single_node()
        if root is None:
            return
        _mark(root, (), source, layers)
        data = loader.construct_document(root)
    except yaml.YAMLError as error:
        raise layers.unreadable(explain_yaml(error, text), line_of(error, text)) from error
    except RecursionError as error:
        raise layers.unreadable("expected a config, got brackets nested too deeply to be read") from error
    if isinstance(data, dict):
        layers.data = data
    elif data is not None:
        what = f"expected a mapping of keys and values, got {show(data)}"
        raise layers.unreadable(what, root.start_mark.line + 1)


def _spell_out(model: type[BaseModel], data: dict[Hashable, Any]) -> None:
    """Replace each section that is written as one text by a mapping with the key that the text stands for."""
    for key, value in data.items():
        inner = section(below(model, key))
        short = _shorthand(below(model, key))
        if short and isinstance(value, str):
            data[key] = {short: value}
        elif inner and isinstance(value, dict):
            _spell_out(inner, value)


def _shorthand(annotation: Any) -> str:
    """The key that a single text stands for if a section is expected; empty if none."""
    return str(getattr(section(annotation), "shorthand", ""))


def _mark(node: yaml.Node, path: KeyPath, source: Path, layers: Layers) -> None:
    """Record the line of every key below a node, and report duplicate keys."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            at = (*path, index)
            layers.origins[at] = _file_origin(source, item)
            _mark(item, at, source, layers)
    if isinstance(node, yaml.MappingNode):
        first_lines: dict[Hashable, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            name, origin = Loader("").construct_object(key), _file_origin(source, key)
            at = (*path, name)
            if name in first_lines:
                message = f"the key is here twice (first on line {first_lines[name]})"
                layers.add(origin, at, message)
            first_lines.setdefault(name, origin.order[1])
            layers.origins[at] = origin
            _mark(value, at, source, layers)


def _file_origin(source: Path, node: yaml.Node) -> Origin:
    line = node.start_mark.line + 1
    return Origin(f"{source}:{line}", (0, line), in_file=True)


def _env_path(model: type[BaseModel], segments: list[str]) -> KeyPath:
    """The key path of a variable's name: settings in any case, names of servers and metrics as written."""
    place: Any = model
    path: list[str] = []
    for segment in segments:
        path.append(segment.lower() if section(place) else segment)
        place = below(place, path[-1])
    return tuple(path)


def _value(model: type[BaseModel], path: KeyPath, text: str) -> Any:
    """A value from the environment or an option: text as it is written, anything else parsed as YAML."""
    wanted = kinds(annotation_at(model, path))
    written = text.strip()
    if _is_text(written, {get_origin(kind) or kind for kind in wanted}):
        return written
    try:
        return Loader(text).get_single_data()
    except (yaml.YAMLError, RecursionError):
        return written


def _is_text(written: str, wanted: Collection[Any]) -> bool:
    """Whether a value is to be taken literally as text.

    It is not if a number or a mapping is expected. Nor is null if it is allowed, nor a value that is quoted
    as a whole, nor one in brackets if something other than text is allowed.
    """
    if not written:
        return True
    if any(kind in _NO_TEXTS or section(kind) for kind in wanted):
        return False
    if NoneType in wanted and written in _NULLS:
        return False
    bracketed = not _TEXTS.issuperset(wanted) and _IN_BRACKETS.fullmatch(written)
    return not (bracketed or _IN_QUOTES.fullmatch(written))
