"""Reads the config's layers, remembers where every value came from, and reports all problems at once by that place."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from jenkins_mlflow.config.problems import KeyPath, explain, fields, section, section_at, show, show_path
from jenkins_mlflow.config.yaml_values import Loader, explain_yaml, line_of
from jenkins_mlflow.errors import ConfigError

ENV_PREFIX = "MLOPS__"
MAX_BYTES = 1_000_000


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Origin:
    """Where a value came from: the text a person looks for, and the key path that this text already implies."""

    text: str
    order: tuple[int, int]
    implied: KeyPath = ()

    def line(self, path: KeyPath, message: str) -> str:
        """One problem as one line; the path is left out as far as the origin implies it."""
        if self.implied[: len(path)] == path:
            path = ()
        elif path[: len(self.implied)] == self.implied:
            path = path[len(self.implied) :]
        return ": ".join(part for part in (self.text, show_path(path), message) if part)


@dataclass
class Layers:
    """The merged values, the origin of each, and the problems found while reading."""

    source: Path | None
    data: dict[Hashable, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    problems: list[tuple[tuple[int, int], str]] = field(default_factory=list)

    def origin(self, path: KeyPath) -> Origin:
        """The origin of a value, or of the nearest part of the config that it is in."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path) or Origin(str(self.source or "configuration"), (0, 0))

    def latest(self, path: KeyPath, keys: Iterable[str]) -> Origin:
        """Of some keys of a section, the origin of the one that was set last; else the section's own."""
        set_keys = [self.origins[at] for at in ((*path, key) for key in keys) if at in self.origins]
        return max(set_keys, key=lambda origin: origin.order, default=self.origin(path))

    def add(self, origin: Origin, path: KeyPath, message: str) -> None:
        """Note a problem."""
        self.problems.append((origin.order, origin.line(path, message)))

    def fail_on_problems(self) -> None:
        """Raise all problems at once, in the order of the layers and lines."""
        if self.problems:
            lines = [line for _, line in sorted(self.problems, key=lambda problem: problem[0])]
            raise ConfigError("\n".join(lines))

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


def read_layers(
    model: type[BaseModel], source: Path | None, flags: Mapping[str, object], environ: Mapping[str, str]
) -> Layers:
    """Read file, environment and flags into one set of values, not yet checked against the model.

    Raises:
        ConfigError: The file cannot be read or is not YAML with a mapping.
    """
    layers = Layers(source)
    if source is not None:
        _read_file(source, layers)
    variables = [name for name in environ if name.startswith(ENV_PREFIX)]
    for number, name in enumerate(sorted(variables, key=lambda name: (name.count("__"), name))):
        path = _env_path(model, name.removeprefix(ENV_PREFIX).split("__"))
        origin = Origin(f"environment variable {name}", (1, number), path)
        layers.put(path, _scalar(model, path, environ[name]), origin)
    for number, (dotted, value) in enumerate(flags.items()):
        path = tuple(dotted.split("."))
        if value is not None:
            origin = Origin(f"--{path[-1]}".replace("_", "-"), (2, number), path)
            layers.put(path, _scalar(model, path, value) if isinstance(value, str) else value, origin)
    return layers


def validate(model: type[M], layers: Layers) -> M:
    """Check the values against the model.

    Raises:
        ConfigError: With every problem of reading and checking, one a line.
    """
    try:
        result = model.model_validate(layers.data)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            path, shown, message = explain(model, problem)
            layers.add(layers.latest(path, problem.get("ctx", {}).get("keys", ())), shown, message)
    layers.fail_on_problems()
    return result


def _read_file(source: Path, layers: Layers) -> None:
    """Read the YAML file with the line of every key."""
    try:
        with source.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line, byte = error.object[: error.start].count(b"\n") + 1, error.object[error.start]
        raise ConfigError(f"{source}:{line}: expected UTF-8 text, got the byte 0x{byte:02x}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{source}: expected a config of at most {MAX_BYTES} bytes, got more")
    try:
        loader = Loader(text)
        root = loader.get_single_node()
        if root is None:
            return
        _mark(root, (), source, layers)
        data = loader.construct_document(root)
    except yaml.YAMLError as error:
        line = line_of(error, text)
        raise ConfigError(f"{source}:{line}: {explain_yaml(error, text)}") from error
    except RecursionError as error:
        raise ConfigError(
            f"{source}: expected a config, got brackets nested too deeply to be read"
        ) from error
    if isinstance(data, dict):
        layers.data = data
    elif data is not None:
        line = root.start_mark.line + 1
        raise ConfigError(f"{source}:{line}: expected a mapping of keys and values, got {show(data)}")


def _mark(node: yaml.Node, path: KeyPath, source: Path, layers: Layers) -> None:
    """Note the line of every key below a node, and the keys that stand there twice."""
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
                message = f"the key stands here twice (first on line {first_lines[name]})"
                layers.add(origin, at, message)
            first_lines.setdefault(name, origin.order[1])
            layers.origins[at] = origin
            _mark(value, at, source, layers)


def _file_origin(source: Path, node: yaml.Node) -> Origin:
    line = node.start_mark.line + 1
    return Origin(f"{source}:{line}", (0, line))


def _env_path(model: type[BaseModel], segments: list[str]) -> KeyPath:
    """The key path that a variable's name means: settings in any case, names of metrics and candidates as written."""
    place: type[BaseModel] | None = model
    path = []
    for segment in segments:
        path.append(segment.lower() if place else segment)
        place = section(place, path[-1]) if place else None
    return tuple(path)


def _scalar(model: type[BaseModel], path: KeyPath, text: str) -> Any:
    """A value from the environment or a flag, read as YAML; where text is wanted, `3` and `*` are text."""
    try:
        value = Loader(text).get_single_data()
    except (yaml.YAMLError, RecursionError):
        return text
    place = section_at(model, path[:-1])
    info = fields(place).get(str(path[-1])) if place else None
    kinds = {info.annotation, *get_args(info.annotation)} if info else set()
    if isinstance(value, bool | int | float) and not {bool, int, float} & kinds:
        return text
    return text if value is None and not text.strip() else value
