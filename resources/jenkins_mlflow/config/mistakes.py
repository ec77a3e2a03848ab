"""What is wrong with a value or a key of a config, in the words that a person sees."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic_core import PydanticCustomError


def expected(what: str, hint: str = "", *, item: tuple[int, Any] | None = None) -> PydanticCustomError:
    """The error of a value of the wrong kind: it reads ``expected WHAT, got VALUE`` and then the hint.

    Args:
        what: What should have stood there.
        hint: What the person probably meant, starting with a semicolon.
        item: Index and value of the list's item that is wrong; None when it is the value itself.
    """
    return PydanticCustomError("expected", "{what}{hint}", {"what": what, "hint": hint, "item": item})


def broken_rule(message: str, *keys: str) -> PydanticCustomError:
    """The error of keys that do not go together; ``keys`` name the ones a person should look at."""
    return PydanticCustomError("rule", "{message}", {"message": message, "keys": keys})


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint that names the most similar known word, or nothing."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold().replace(" ", "-"), folded, n=1)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""
