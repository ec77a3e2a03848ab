"""Reads documents of the report folder, which may contain anything, because others can write to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jenkins_mlflow.text import printable

Document = Mapping[str, Any]


def text(value: object) -> str:
    """A value for people; empty for None."""
    return printable(str(value)) if value is not None else ""


def texts(document: Document, key: str) -> list[str]:
    """The values of the list below a key, for people."""
    found = document.get(key)
    return [text(each) for each in found] if isinstance(found, list | tuple) else []


def amount(document: Document, key: str) -> float | None:
    """The number below a key; None for anything else, and for an integer that is no float."""
    found = document.get(key)
    try:
        return float(found) if isinstance(found, int | float) else None
    except OverflowError:
        return None


def part(document: Document, key: str) -> Document:
    """The document under a key; empty if there is none."""
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def parts(document: Document, key: str) -> list[Document]:
    """The documents in the list under a key."""
    found = document.get(key)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list | tuple) else []
