"""What no cleanup may delete, whatever the policy says. Pure: decides by the data of the whole registry."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from jenkins_mlflow.cleanup.lease import leases
from jenkins_mlflow.config.cleanup import Protect
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.promotion_records import records
from jenkins_mlflow.registry.unfit import change_request
from jenkins_mlflow.registry.version import ACTIVE_STAGES, LONGEST_TRAINING, Target, Version, last_recorded
from jenkins_mlflow.tags import BEFORE, INTENT_TAG, KEEP_TAG, PREVIOUS_MODEL, PREVIOUS_VERSION
from jenkins_mlflow.text import parsed_json

RECORD_TAGS = (PREVIOUS_VERSION, BEFORE)
INTENT_TAGS = (INTENT_TAG, INTENT_TAG + ".2")
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')

Key = tuple[str, int]
"""A version by model and number."""
Origin = tuple[int, int]
"""A version by number and creation time, which stay when MLflow renames its model."""


@dataclass(frozen=True)
class RollbackTargets:
    """The versions that rollbacks may return to, each with the versions that these would replace."""

    found: Mapping[Key | Origin, tuple[Version, ...]]

    def of(self, version: Version) -> tuple[Version, ...]:
        """The promoted versions whose rollback may return to this one, even if its model was renamed."""
        named = (*self.found.get(_key(version), ()), *self.found.get((version.number, version.created), ()))
        return tuple({_key(one): one for one in named}.values())


@dataclass(frozen=True)
class Protection:
    """What protects a version.

    Attributes:
        rules: The config's ``cleanup.protect``.
        target: What marks production here.
        rollback_depth: How many promotions back a rollback may go.
        now: Seconds since the epoch by the store's clock, for leases.
    """

    rules: Protect
    target: Target
    rollback_depth: int = 1
    now: float = 0.0

    def reason(
        self,
        version: Version,
        naming: Iterable[Version] = (),
        unfinished: Collection[str] = (),
        recorded: Collection[Key] = (),
        kept: Collection[str] = (),
    ) -> str:
        """Why the version must stay; empty when nothing protects it.

        Args:
            version: The version as it is now.
            naming: The versions that have it as a rollback target, see ``rollback_targets``.
            unfinished: The models of unfinished promotions, see ``unfinished``.
            recorded: The versions that are in production by the records, see ``recorded_champions``.
            kept: The models with the tag KEEP_TAG.
        """
        carried = self._carried(version)
        if carried:
            return carried
        if version.model in kept:
            return f"tag {KEEP_TAG} of its model"
        if matches(version.model, tuple(unfinished)):
            return "an unfinished promotion works on this model"
        if _key(version) in recorded:  # taken out without this tool; somebody may want it back
            return "recorded as in production, which it no longer is"
        serving = next((other for other in naming if _key(other) in recorded or self._serves(other)), None)
        return f"rollback target of {serving.label}" if serving else ""

    def _carried(self, version: Version) -> str:
        """The first mark of the version itself that protects it: stage, alias, tag, ..."""
        rules = self.rules
        stages = ACTIVE_STAGES if rules.stages == "all" else rules.stages
        patterns = ("*",) if rules.aliases == "all" else rules.aliases
        aliases = [alias for alias in version.aliases if any(fnmatchcase(alias, p) for p in patterns)]
        marks = [
            "in production" if version.in_production(self.target) else "",
            f"stage {version.stage}" if version.stage in stages else "",
            f"alias {', '.join(aliases)}" if aliases else "",
            f"tag {KEEP_TAG}" if KEEP_TAG in version.tags else "",
            f"tag {KEEP_TAG} of its run" if version.run and KEEP_TAG in version.run.tags else "",
            "its training run has not ended" if self._in_training(version) else "",
            self._awaited(version),
            *(lease.description for lease in leases(version.tags) if lease.runs(self.now)),
            *(f"tag {key}={value}" for key, value in rules.tags.items() if version.tags.get(key) == value),
        ]
        return next(filter(None, marks), "")

    def _in_training(self, version: Version) -> bool:
        """Whether its script may still log metrics for the gates. A killed script's run stays RUNNING."""
        return bool(version.run and version.run.running) and self._is_fresh(version)

    def _awaited(self, version: Version) -> str:
        """Why the build that trained it may still need it: nobody else selects the version of a change request."""
        change = change_request(version)
        if not change or not self._is_fresh(version):
            return ""
        return f"trained by the change request {change}, whose build may still select it"

    def _is_fresh(self, version: Version) -> bool:
        """Whether the build that registered it may still be running."""
        return self.now - version.created / 1000 < LONGEST_TRAINING

    def rollback_targets(self, recorded: Iterable[Version]) -> RollbackTargets:
        """The versions that rollbacks may return to.

        Args:
            recorded: Every version of the registry with a record of what was in production before it.
        """
        by_key = {_key(version): version for version in recorded}
        found: dict[Key | Origin, list[Version]] = defaultdict(list)
        for version in by_key.values():
            for key in dict.fromkeys(self._before(version, by_key)):
                found[key].append(version)
        return RollbackTargets({key: tuple(versions) for key, versions in found.items()})

    def _before(self, version: Version, recorded: Mapping[Key, Version]) -> Iterator[Key | Origin]:
        """The versions that were in production before this one, for every target, as far as a rollback may go."""
        for record in records(version.tags):
            for name, number, created in _history(record)[-self.rollback_depth :]:
                yield (name, number)
                if created:
                    yield (number, created)
        previous = _previous(version)
        for _ in range(self.rollback_depth):
            if previous is None:
                return
            yield previous
            previous = _previous(recorded[previous]) if previous in recorded else None

    def _serves(self, version: Version) -> bool:
        """Whether it may be in production: for other configs, any alias or active stage may mean that."""
        return version.in_production(self.target) or version.stage in ACTIVE_STAGES or bool(version.aliases)


def recorded_champions(versions: Iterable[Version]) -> frozenset[Key]:
    """The version of each model that is in production according to the records, not to the registry."""
    of_model: dict[str, list[Version]] = defaultdict(list)
    for version in versions:
        of_model[version.model].append(version)
    return frozenset(
        _key(champion) for model_versions in of_model.values() if (champion := last_recorded(model_versions))
    )


def has_record(version: Version) -> bool:
    """Whether a promotion recorded what was in production before this version."""
    return any(key in version.tags for key in RECORD_TAGS)


def _key(version: Version) -> Key:
    return (version.model, version.number)


def _previous(version: Version) -> Key | None:
    number = version.tags.get(PREVIOUS_VERSION, "")
    known = number.isdecimal() and len(number) < 10
    return (version.tags.get(PREVIOUS_MODEL, version.model), int(number)) if known else None


def _history(record: Mapping[str, str]) -> list[tuple[str, int, int]]:
    """The recorded earlier versions in production, oldest first. Invalid entries of a tag are skipped."""
    try:
        entries = parsed_json(record.get(BEFORE, "[]"))
    except ValueError:
        return []
    if not isinstance(entries, list):
        return []
    return [
        (entry[0], entry[1], entry[2] if len(entry) > 2 and type(entry[2]) is int else 0)
        for entry in entries
        if isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[0], str) and type(entry[1]) is int
    ]


def unfinished(
    model_tags: Mapping[str, Mapping[str, str]], unsigned: Collection[str] = ()
) -> tuple[str, ...]:
    """Names and patterns of the models that unfinished promotions may be working on.

    These are the models with an intent and every text in that intent: an exclusive promotion names the other
    models of its group there.

    Args:
        model_tags: The tags of registered models by name.
        unsigned: The models whose intents have no valid signature: they protect only their own model.
    """
    found: dict[str, None] = {}
    for name, tags in model_tags.items():
        keys = sorted((key for key in tags if _is_intent(key)), key=lambda key: (len(key), key))
        if keys:
            found[name] = None
            texts = () if name in unsigned else _texts("".join(tags[key] for key in keys))
            found.update(dict.fromkeys(texts))
    return tuple(found)


def _is_intent(key: str) -> bool:
    """Whether a tag has an intent or a part of one: a long intent continues in `intent.2`, `intent.3`."""
    return key == INTENT_TAG or key.startswith(INTENT_TAG + ".")


def _texts(text: str) -> Iterator[str]:
    """Every text in a JSON document, which may be incomplete."""
    for literal in _JSON_TEXT.findall(text):
        with contextlib.suppress(ValueError):
            yield parsed_json(literal)
