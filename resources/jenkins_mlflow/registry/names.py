"""Matches names of registered models against patterns, and builds filters to search for them.

``name LIKE 'p%'`` works on every store; there is no OR.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator, Sequence


def literal_prefix(pattern: str) -> str:
    """The part of an fnmatch pattern before its first wildcard or character that a filter cannot contain."""
    return re.split(r"[*?\[\\%'\"]", pattern, maxsplit=1)[0]


def name_filters(patterns: Sequence[str]) -> list[str]:
    """The fewest MLflow filters that together cover the patterns.

    They may return too much, because LIKE's ``_`` matches any character, so the caller matches the names
    again.

    >>> name_filters(["heart-disease-*", "heart-disease-svm"])
    ["name LIKE 'heart-disease-%'"]
    """
    prefixes = {literal_prefix(pattern) for pattern in patterns}
    shortest = sorted(p for p in prefixes if not any(p != q and p.startswith(q) for q in prefixes))
    return [_name_filter(prefix, patterns) for prefix in shortest]


def _name_filter(prefix: str, patterns: Sequence[str]) -> str:
    if not prefix:
        return ""
    only_itself = all(pattern == prefix for pattern in patterns if literal_prefix(pattern).startswith(prefix))
    return f"name = '{prefix}'" if only_itself else f"name LIKE '{prefix}%'"


def matches(name: str, patterns: Collection[str]) -> bool:
    """Whether a registered model's name belongs to the group; case-sensitive, as in MLflow."""
    return any(fnmatch.fnmatchcase(name, pattern) or name == pattern for pattern in patterns)


def members(names: Collection[str], patterns: Collection[str]) -> Iterator[str]:
    """Those of a registry's names that belong to the group. What is one of these names is no pattern.

    >>> list(members(["g1", "g[1]", "h1"], ["g[1]", "h[1]"]))
    ['g[1]', 'h1']
    """
    only_patterns = [pattern for pattern in patterns if pattern not in names]
    return (name for name in names if name in patterns or matches(name, only_patterns))


def may_be_name(pattern: str) -> bool:
    """Whether a pattern may be meant as the name of a model, such as ``churn[eu]``; one with ``*`` never is."""
    return "*" not in pattern and any(char in pattern for char in "?[")
