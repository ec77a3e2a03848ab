"""docs/methods.md: a promotion method that a config may name has a line in its table."""

from __future__ import annotations

import re
from pathlib import Path

from jenkins_mlflow.config.promote import Promote
from jenkins_mlflow.config.registry_values import DEFAULT_METHODS, METHOD_NAMES
from jenkins_mlflow.methods.alias import NAME as ALIAS
from jenkins_mlflow.methods.choice import load_methods
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.tags import COPY

PAGE = (Path(__file__).parents[3] / "docs" / "methods.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("\n## ")[0]


def test_every_method_has_a_line() -> None:
    assert re.findall(r"^\| `([\w-]+)` \|", TABLE, re.MULTILINE) == list(METHOD_NAMES)


def test_the_default_is_the_one_that_counts() -> None:
    assert f"`[{', '.join(DEFAULT_METHODS)}]`" in TABLE


def test_every_method_that_a_config_may_name_is_carried_out() -> None:
    """Each is a class that ``load_methods`` makes, apart from two that are carried out elsewhere."""
    registry = Registry(connect("http://127.0.0.1:9"))
    made = load_methods(registry, Promote(methods=tuple(name for name in METHOD_NAMES if name != COPY)))
    assert {method.name for method in made} == {*METHOD_NAMES} - {ALIAS, COPY}
