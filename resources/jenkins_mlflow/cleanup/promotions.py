"""Reads the recorded and unfinished promotions of a registry, which may protect versions of any model."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from jenkins_mlflow.cleanup.protection import INTENT_TAGS, RECORD_TAGS, Protection
from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import NO_STAGE, Version

T = TypeVar("T")


@dataclass(frozen=True)
class Promotions:
    """The traces of promotions in a registry.

    Attributes:
        recorded: Every version with a record of what was in production before it, without its aliases.
        intents: The tags of every model that a promotion is working on, by name.
        unsigned: Those of these models whose intents have no valid signature.
    """

    recorded: tuple[Version, ...]
    intents: Mapping[str, Mapping[str, str]]
    unsigned: frozenset[str]


def read_promotions(registry: Registry) -> Promotions:
    """Read them in 4 requests, two at a time, however large the registry is.

    Raises:
        ConnectionFailed, RegistryError: The registry does not answer.
    """
    records = [functools.partial(registry.versions_with_tag, key) for key in RECORD_TAGS]
    intents = [functools.partial(registry.models_with_tag, key) for key in INTENT_TAGS]
    recorded, found = _answers(records), _answers(intents)
    models = {name: tags for one in found for name, tags in one.items()}
    unsigned = frozenset(name for name, tags in models.items() if not registry.counts_intent(name, tags))
    return Promotions(tuple(itertools.chain.from_iterable(recorded)), models, unsigned)


def whole_world(registry: Registry, group: Snapshot, protection: Protection) -> Snapshot:
    """The group, and the rest of a registry as far as ``plan_cleanup`` needs it.

    Takes 4 requests, and one for each version outside the group that may return to one of the group.

    Args:
        registry: The registry to read.
        group: The models to clean.
        protection: Says how far back a rollback may go.

    Returns:
        Besides the group's models, those with an intent or a recorded version, each with only its recorded
        versions.
    """
    found = read_promotions(registry)
    targets = protection.rollback_targets(found.recorded)
    others = {v.identity: v for v in found.recorded if group.model(v.model) is None}
    naming = {one.identity: one for version in group.versions() for one in targets.of(version)}
    asked = [version for identity, version in naming.items() if identity in others]
    others |= {v.identity: v for v in side_by_side(functools.partial(as_it_is, registry), asked)}
    of_model: dict[str, list[Version]] = defaultdict(list)
    for version in others.values():
        of_model[version.model].append(version)
    names = sorted({*of_model, *(name for name in found.intents if group.model(name) is None)})
    rest = [_part(name, of_model[name], found) for name in names]
    return Snapshot(tuple(sorted((*group.models, *rest), key=lambda model: model.name)))


def _part(name: str, versions: Sequence[Version], found: Promotions) -> Model:
    newest_first = sorted(versions, key=lambda version: -version.number)
    return Model(
        name, tuple(newest_first), tags=found.intents.get(name, {}), signed=name not in found.unsigned
    )


def as_it_is(registry: Registry, version: Version) -> Version:
    """A version as it is now; a version that is gone keeps nothing."""
    try:
        return registry.version(version.model, version.number)
    except NotFound:
        return replace(version, stage=NO_STAGE, aliases=())


def _answers(calls: Sequence[Callable[[], T]]) -> list[T]:
    return side_by_side(lambda call: call(), calls)
