"""What a version's source says about the origin of its files. Pure.

A source may be an address, a path in a run (``runs:/``), a logged model (``models:/m-...``) or another
version, of which this one is a copy (``models:/NAME/NUMBER``).
"""

from __future__ import annotations

import re

_LOGGED_MODEL = re.compile(r"models:/+(m-[0-9a-f]{32})/*")
_LOGGED_MODEL_ID = re.compile(r"(?:^|[/:])(m-[0-9a-f]{32})(?:/|$)")
_COPY = re.compile(r"models:/+(.+)/(\d+)/*")


def logged_model_of(source: str) -> str:
    """The id of the logged model that a source names; empty if it names none."""
    found = _LOGGED_MODEL.fullmatch(source)
    return found.group(1) if found else ""


def logged_model_id(source: str) -> str:
    """The logged model in a version's source: `models:/m-ID`, or a path that contains `models/m-ID`; or empty."""
    match = _LOGGED_MODEL_ID.search(source)
    return match[1] if match else ""


def copied_from(source: str) -> tuple[str, int] | None:
    """Model and number of the version that a source names; None if the source is not another version."""
    found = None if logged_model_of(source) else _COPY.fullmatch(source)
    return (found.group(1), int(found.group(2))) if found else None
