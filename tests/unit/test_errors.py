"""Errors say what to do next: each place in the sources that makes one is read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from jenkins_mlflow import errors

SOURCES = Path(errors.__file__).parent
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.JenkinsMlflowError)
}


def made() -> Iterator[tuple[str, ast.Call]]:
    """Every call of an error's class, with its place."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                yield f"{path.relative_to(SOURCES)}:{node.lineno}", node


def test_every_error_says_what_to_do_next() -> None:
    places = dict(made())
    assert len(places) > 100
    silent = [
        place
        for place, call in places.items()
        if "next_step" not in {keyword.arg for keyword in call.keywords}
    ]
    assert silent == []
