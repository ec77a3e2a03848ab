"""What a promotion is about to do and what it found, kept in the registry while it works.

The intent is a tag on the candidate's registered model. It is written before the first change and removed after the
verified last one, so whoever meets it later, on any machine, knows that a promotion stopped in the middle, and how to
finish or undo it. It names what may have changed, never the whole model: a tag holds 5,000 characters (MLflow 3.17.2,
SqlRegisteredModelTag).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from jenkins_mlflow.errors import RegistryError, UsageError
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.snapshot import Model, Target
from jenkins_mlflow.tags import INTENT_TAG, LONGEST_TAG, TAG_PREFIX


@dataclass(frozen=True)
class Intent:
    """A promotion that has begun and not ended.

    Attributes:
        version: The version that is to go into production.
        found_stage: The stage it had.
        stage, alias, exclusive, group: The target, and the patterns of the exclusive group.
        previous: The versions of the model that were in production.
        alias_holder: The version that had the alias; None if none had.
        tags: What the version is tagged with in the end: who promoted it, when, in which build.
    """

    version: int
    found_stage: str
    stage: str | None
    alias: str | None
    exclusive: bool
    group: tuple[str, ...]
    previous: tuple[int, ...]
    alias_holder: int | None
    tags: Mapping[str, str]

    @classmethod
    def of(cls, plan: Plan, group: tuple[str, ...], tags: Mapping[str, str]) -> Intent:
        """The intent to carry out a plan."""
        target = plan.target
        return cls(
            version=plan.candidate.number,
            found_stage=plan.candidate.stage,
            stage=target.stage,
            alias=target.alias,
            exclusive=target.exclusive,
            group=group if target.exclusive else (),
            previous=tuple(version.number for version in plan.previous),
            alias_holder=plan.found.aliases.get(target.alias) if target.alias else None,
            tags=dict(tags),
        )

    @classmethod
    def on(cls, model: Model) -> Intent | None:
        """The unfinished intent that a model carries.

        Raises:
            RegistryError: it has one that cannot be read.
        """
        text = model.tags.get(INTENT_TAG)
        if text is None:
            return None
        try:
            values = json.loads(text)
            return cls(
                **{**values, "group": tuple(values["group"]), "previous": tuple(values["previous"])},
            )
        except (ValueError, TypeError, KeyError) as error:
            raise RegistryError(
                f"{model.name} carries an unfinished promotion that this version of jenkins-mlflow cannot read",
                state="nothing was changed",
                next_step=f"look at its tag {INTENT_TAG} in MLflow, set its stages as they should be, remove the tag",
            ) from error

    def to_tag(self) -> str:
        """The tag's text.

        Raises:
            UsageError: it does not fit into a tag.
        """
        text = json.dumps(asdict(self), ensure_ascii=True, separators=(",", ":"))
        if len(text) > LONGEST_TAG:
            raise UsageError(
                f"what this promotion would change takes {len(text)} characters to write down, "
                f"a tag in MLflow has room for {LONGEST_TAG}",
                state="nothing was written",
                next_step="name the models of the group by fewer or shorter patterns",
            )
        return text

    @property
    def target(self) -> Target:
        return Target(self.stage, self.alias, self.exclusive)

    def title(self, model: str) -> str:
        """What was begun, and by whom; a rollback promotes too, and is told as one."""
        back = TAG_PREFIX + "rolled_back_at" in self.tags
        what = "rollback to" if back else "promotion of"
        return f"the {what} {model} version {self.version} begun {self._origin(back=back)}".rstrip()

    def _origin(self, *, back: bool) -> str:
        """Who began it: `by jenkins at 2026-11-23T02:00:00+00:00 in http://...`."""
        verb = "rolled_back" if back else "promoted"
        facts = {"by": f"{verb}_by", "at": f"{verb}_at", "in": "build_url"}
        known = ((word, self.tags.get(TAG_PREFIX + key)) for word, key in facts.items())
        return " ".join(f"{word} {value}" for word, value in known if value)
