"""What a command works on: the group, and what production means for it."""

from __future__ import annotations

import glob
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.version import Target


@dataclass(frozen=True)
class Scope:
    """What a command works on: what the config says, unless the command replaces it.

    Attributes:
        models: The group: names or patterns.
        target: The stage and alias of production, and whether the group has one champion.
    """

    models: tuple[str, ...]
    target: Target

    @staticmethod
    def of(config: Config) -> Scope:
        """What the config says."""
        rules = config.promote
        copy_to = rules.copy_to if rules.copies else None
        return Scope(config.models, Target(rules.stage, rules.alias, rules.exclusive, copy_to))

    def exactly(self, names: Collection[str]) -> Scope:
        """This scope with these entries as names: they are registered models, so they do not count as patterns."""
        models = (glob.escape(entry) if entry in names else entry for entry in self.models)
        return replace(self, models=tuple(models))

    @property
    def patterns(self) -> tuple[str, ...]:
        """The models that a promotion of the group reads: the group, and a production model."""
        return self.with_production(self.models)

    def with_production(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """These models, and the production model if promotions copy into one."""
        extra = [glob.escape(self.target.copy_to)] if self.target.copy_to else []
        return tuple(dict.fromkeys([*patterns, *extra]))

    def locked_with(self, models: Sequence[str]) -> tuple[str, ...]:
        """The models that must not change while these do: the whole group, if it has one champion."""
        group = self.models if self.target.exclusive else ()
        return tuple(dict.fromkeys([*models, *group]))

    def for_model(self, name: str) -> Scope:
        """This scope for one model; a model outside an exclusive group replaces no member of it."""
        if not self.target.exclusive or matches(name, self.patterns):
            return self
        return replace(self, target=replace(self.target, exclusive=False))
