"""Production in two places at once is told, with the command that settles it."""

from __future__ import annotations

from typing import Any

import pytest
from builders import snapshot, version
from jenkins_mlflow.commands.conflicts import conflicts, halves, rivals
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import PROMOTED_AT, TARGET

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


BY_TOOL = {PROMOTED_AT: "2026-11-02T00:00:00+00:00", TARGET: "Production @champion"}
HALF_ALIAS = version("m", 2, tags=BY_TOOL, **STAGED)
HALF_STAGE = version("m", 2, tags=BY_TOOL, stage="Archived", **ALIASED)


@pytest.mark.parametrize(
    ("versions", "target", "missing"),
    [
        ((HALF_STAGE,), BOTH, ["stage Production"]),
        ((HALF_ALIAS, version("m", 1)), BOTH, ["alias champion"]),
        ((HALF_ALIAS,), EXCLUSIVE, ["alias champion"]),
        ((version("m", 2, tags=BY_TOOL, **STAGED, **ALIASED),), BOTH, []),
        # a mark that the config does not name any more, or that this version never got
        ((HALF_ALIAS,), Target("Production", None), []),
        ((HALF_ALIAS,), Target("Production", "live"), []),
        ((version("m", 2, tags={**BY_TOOL, TARGET: "Production"}, **STAGED),), BOTH, []),
        # without a record of this tool: a team that sets only the stage by hand, or version 0.2
        ((version("m", 2, **STAGED),), BOTH, []),
        ((version("m", 2, tags={PROMOTED_AT: "2026-11-02T00:00:00+00:00"}, **STAGED),), BOTH, []),
        # a record of another time: somebody put an old champion back by hand, which is reported otherwise
        (
            (HALF_ALIAS, version("m", 3, tags={**BY_TOOL, PROMOTED_AT: "2026-11-03T00:00:00+00:00"})),
            BOTH,
            [],
        ),
        ((HALF_ALIAS, version("n", 1, tags=BY_TOOL, **STAGED)), BOTH, ["alias champion", "alias champion"]),
        # nothing of it, or two versions in production
        ((version("m", 2, tags=BY_TOOL),), BOTH, []),
        ((HALF_ALIAS, version("m", 1, **ALIASED)), BOTH, []),
    ],
)
def test_a_champion_lacks_what_its_own_record_says_it_got(
    versions: tuple[Version, ...], target: Target, missing: list[str]
) -> None:
    assert [half.missing for half in halves(snapshot(*versions), target)] == missing
