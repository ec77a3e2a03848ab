"""The errors for wrong values and keys of a config, with their messages."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable
from typing import Any

from pydantic_core import PydanticCustomError


def expected(
    what: str, hint: str = "", *, item: tuple[tuple[Hashable, ...], Any] | None = None
) -> PydanticCustomError:
    """The error for a value of the wrong kind: it reads ``expected WHAT, got VALUE`` and then the hint.

    Args:
        what: What is expected.
        hint: A guess at what was meant, starting with a semicolon.
        item: The keys and indexes that lead to the wrong part of the value, and that part; None if all of it is wrong.
    """
    return PydanticCustomError("expected", "{what}{hint}", {"what": what, "hint": hint, "item": item})


def broken_rule(message: str, *keys: str) -> PydanticCustomError:
    """The error for keys that contradict each other; ``keys`` are the ones to look at."""
    return PydanticCustomError("rule", "{message}", {"message": message, "keys": keys})


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint with the most similar known word, or an empty string."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold().replace(" ", "-"), folded, n=1)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""
