"""docs/methods.md: a promotion method that a config may name has a line in its table."""

from __future__ import annotations

import re
from pathlib import Path

from jenkins_mlflow.config.registry_values import DEFAULT_METHODS, METHOD_NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("\n## ")[0]


def test_every_method_has_a_line() -> None:
    assert re.findall(r"^\| `([\w-]+)` \|", TABLE, re.MULTILINE) == list(METHOD_NAMES)


def test_the_default_is_the_one_that_counts() -> None:
    assert f"`[{', '.join(DEFAULT_METHODS)}]`" in TABLE
