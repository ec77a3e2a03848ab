"""What a cleanup of some models reads of the others is enough: its plan is the plan made from the whole registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from builders import snapshot, version
from hypothesis import example, given, settings, strategies as st
from jenkins_mlflow.cleanup.plan import plan_cleanup
from jenkins_mlflow.cleanup.promotions import whole_world
from jenkins_mlflow.cleanup.protection import INTENT_TAGS, Protection
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.tags import PREVIOUS_MODEL, PREVIOUS_VERSION
from support.registries import NOW, REGISTRIES, TARGET, Memory
from support.thorough import examples

INTENTS = st.sampled_from(
    [*[{}] * 3, {INTENT_TAGS[0]: '{"models": ["a"]'}, dict(zip(INTENT_TAGS, ['["b', '"]'], strict=True))]
)


BY_ALIAS = snapshot(
    *(version("a", number) for number in (1, 2)),
    version("b", 1, aliases=("x",), tags={PREVIOUS_MODEL: "a", PREVIOUS_VERSION: "1"}),
)


@settings(deadline=None, max_examples=examples(500))
@example(BY_ALIAS, {}, True, "a", 1)
@given(REGISTRIES, INTENTS, st.booleans(), st.sampled_from("ab"), st.integers(1, 3))
def test_a_cleanup_of_one_model_knows_enough_of_the_others(
    versions: Snapshot, intent: Mapping[str, str], signed: bool, name: str, depth: int
) -> None:
    registry = Snapshot(
        tuple(
            replace(model, tags=intent if at == 0 else {}, signed=signed)
            for at, model in enumerate(versions.models)
        )
    )
    group = Snapshot(tuple(model for model in registry.models if model.name == name))
    rules = Cleanup(keep_last=1, rollback_depth=depth)
    protection = Protection(rules.protect, TARGET, depth, NOW)
    world = whole_world(cast(Registry, Memory(registry)), group, protection)
    assert plan_cleanup(group, world, rules, TARGET, now=NOW) == plan_cleanup(
        group, registry, rules, TARGET, now=NOW
    )
