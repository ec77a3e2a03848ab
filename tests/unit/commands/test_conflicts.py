"""Production in two places at once is told, with the command that settles it."""

from __future__ import annotations

from typing import Any

import pytest
from builders import snapshot, version
from jenkins_mlflow.commands.conflicts import conflicts, rivals
from jenkins_mlflow.registry.snapshot import Target, Version
from jenkins_mlflow.tags import PROMOTED_AT

BOTH, EXCLUSIVE = Target("Production", "champion"), Target("Production", "champion", exclusive=True)
STAGED: dict[str, Any] = {"stage": "Production"}
ALIASED: dict[str, Any] = {"aliases": ("champion",)}


@pytest.mark.parametrize(
    ("versions", "messages"),
    [
        ((version("m", 1, **STAGED), version("m", 2)), []),
        (
            (version("m", 1, **STAGED), version("m", 2, **STAGED)),
            [
                (
                    "m has 2 versions in Production: 1 and 2; keep one: "
                    "`jenkins-mlflow promote --model m --version 2` or `--version 1`"
                )
            ],
        ),
        (  # what was recorded there comes first: nobody knows whether the other one passed a gate
            (
                version("m", 1, tags={PROMOTED_AT: "2026-11-01T00:00:00"}, **STAGED),
                version("m", 2, tags={PROMOTED_AT: "2026-11-02T00:00:00"}, **STAGED),
                version("m", 3, **STAGED),
            ),
            [
                (
                    "m has 3 versions in Production: 1 and 2 and 3; keep one: "
                    "`jenkins-mlflow promote --model m --version 2` or `--version 3` or `--version 1`"
                )
            ],
        ),
        (
            (version("m", 1, **STAGED), version("m", 2, tags={PROMOTED_AT: "2026-11-02"}, **ALIASED)),
            [
                (
                    "m: version 1 is in Production, but alias champion is on version 2; settle it: "
                    "`jenkins-mlflow promote --model m --version 2` or `--version 1`"
                )
            ],
        ),
        (
            (version("m", 1, **STAGED), version("m", 2, **ALIASED)),
            [
                (
                    "m: version 1 is in Production, but alias champion is on version 2; settle it: "
                    "`jenkins-mlflow promote --model m --version 1` or `--version 2`"
                )
            ],
        ),
    ],
)
def test_two_versions_of_one_model(versions: tuple[Version, ...], messages: list[str]) -> None:
    assert conflicts(snapshot(*versions), BOTH) == messages


def test_two_models_of_an_exclusive_group() -> None:
    """By either mark; in a group that is not exclusive each model has a champion of its own."""
    group = snapshot(version("a", 1, **STAGED), version("b", 2, **ALIASED), version("c", 3))
    assert rivals(group, BOTH) == []
    assert rivals(group, EXCLUSIVE) == [
        (
            "the group has one champion (promote.exclusive), but 2 of its models are in production: a version 1, "
            "b version 2; keep one: `jenkins-mlflow promote --model a --version 1` or "
            "`jenkins-mlflow promote --model b --version 2`"
        )
    ]
