"""Explains in one line what is wrong with a value of the config, and which key was probably meant."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Hashable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from jenkins_mlflow.config.mistakes import did_you_mean
from jenkins_mlflow.text import redact

MAX_SHOWN = 60

KeyPath = tuple[Hashable, ...]

_PLAIN_KEY = re.compile(r"[\w.-]+")
_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
}


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """A section's fields by their keys in the file."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def kinds(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation allows, one by one and without metadata."""
    if get_origin(annotation) is Annotated:
        return kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for part in get_args(annotation) for kind in kinds(part))
    return (annotation,)


def section(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation allows, if any."""
    plain = (kind for kind in kinds(annotation) if isinstance(kind, type) and get_origin(kind) is None)
    return next((kind for kind in plain if issubclass(kind, BaseModel)), None)


def below(annotation: Any, key: Hashable) -> Any:
    """The annotation under a key of a section, or under a name of a mapping; None if there is none."""
    if place := section(annotation):
        info = fields(place).get(key) if isinstance(key, str) else None
        return info.annotation if info else None
    values = (get_args(kind)[1] for kind in kinds(annotation) if get_origin(kind) is dict)
    return next(values, None)


def annotation_at(model: type[BaseModel], path: KeyPath) -> Any:
    """The annotation at the end of a path; None if there is none."""
    return functools.reduce(below, path, model)


def explain(model: type[BaseModel], error: Mapping[str, Any]) -> tuple[KeyPath, KeyPath, str]:
    """One of pydantic's errors as the path of its origin, the path to show, and the message."""
    path, kind, value = error["loc"], error["type"], error["input"]
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        return path, path, f"unknown key{_likely_key(model, path)}"
    if kind == "rule":
        return path, path, context["message"]
    if kind == "missing":
        return path, path, "expected a value, but the key is missing"
    if kind == "invalid_key":
        return (*path[:-1], value), path[:-1], f"expected text as a key, got {show(value)}; put it in quotes"
    if path[-1:] == ("[key]",):
        return path[:-1], path[:-2], _mismatch(kind, context, value, error["msg"])
    if context.get("item"):
        below, value = context["item"]
        path = (*path, *below)
    return path, path, _mismatch(kind, context, value, error["msg"])


def _mismatch(kind: str, context: Mapping[str, Any], value: Any, otherwise: str) -> str:
    if kind == "expected":
        return f"expected {context['what']}, got {show(value)}{context['hint']}"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
        return f"expected {' or '.join(allowed)}, got {show(value)}{hint}"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f"expected text, got {show(value)}; put it in quotes"
    if kind not in _EXPECTED:
        return f"{otherwise}, got {show(value)}"
    return f"expected {_EXPECTED[kind].format(**context)}, got {show(value)}"


def _likely_key(model: type[BaseModel], path: KeyPath) -> str:
    """A hint with the key that was probably meant: one of the section, or the same key in another section."""
    place, word = section(annotation_at(model, path[:-1])), str(path[-1])
    known = list(fields(place)) if place else []
    if word == "retention" and "cleanup" in known:
        return '; did you mean "cleanup"?'  # the retention policy
    near = difflib.get_close_matches(word.casefold().replace("-", "_"), known, n=1)
    if ends := near or [
        key for key in known if word.endswith(f"_{key}")
    ]:  # such as tracking_uri for a server's uri
        return f'; did you mean "{ends[0]}"?'
    elsewhere = next((dotted for dotted in _dotted_keys(model) if dotted.rpartition(".")[2] == word), "")
    where = " at the top level" if elsewhere == word else ""
    return f'; did you mean "{elsewhere}"{where}?' if elsewhere else ""


def _dotted_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for key, info in fields(model).items():
        yield f"{prefix}{key}"
        if inner := section(info.annotation):
            yield from _dotted_keys(inner, f"{prefix}{key}.")


def show_path(path: KeyPath) -> str:
    """A key path as people write it: ``promote.methods[1]``."""
    shown = ""
    for key in path:
        if isinstance(key, int) and not isinstance(key, bool):
            shown += f"[{key}]"
        else:
            shown += ("." if shown else "") + (str(key) if _PLAIN_KEY.fullmatch(str(key)) else show(key))
    return shown


def show(value: Any) -> str:
    """A value in one short line of printable text, without the secrets of an address."""
    if value is None:
        return "nothing"
    if value == []:
        return "an empty list"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        quoted = json.dumps(redact(value), ensure_ascii=False)
        text = "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in quoted
        )
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
