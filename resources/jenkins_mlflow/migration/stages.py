"""Plans aliases for stages: which version gets which alias. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import PRODUCTION


@dataclass(frozen=True)
class Naming:
    """An alias for the version in a stage. ``already_set``: the version already has it."""

    model: str
    version: int
    stage: str
    alias: str
    already_set: bool

    @property
    def loaded_by(self) -> str:
        return f"models:/{self.model}/{self.stage}"

    @property
    def load_by(self) -> str:
        return f"models:/{self.model}@{self.alias}"


def config_without_stages(
    aliases: Mapping[str, str], stage: str | None, alias: str | None
) -> tuple[str, ...]:
    """The keys and values to set in the config once nothing is loaded by its stage any more.

    Args:
        aliases: The alias of each stage.
        stage: The stage that means production in the current config; None for none.
        alias: The alias that means production in it.
    """
    given = aliases.get(stage or PRODUCTION)
    moved = () if given in (None, alias) else (f"promote.alias: {given}",)
    return ("promote.stage: null", *moved, "promote.methods: [alias]")


def wrong_alias(aliases: Mapping[str, str], stage: str | None, alias: str | None) -> str:
    """Why these aliases would change production; empty if they would not.

    Args:
        aliases: The alias of each stage.
        stage: The stage that means production in the config; None for none.
        alias: The alias that means production in it.
    """
    others = [one for one, name in aliases.items() if name == alias and one != (stage or PRODUCTION)]
    if not others:
        return ""
    return f"alias {alias} means production (promote.alias), so the version in {others[0]} cannot have it"


def plan_aliases(snapshot: Snapshot, aliases: Mapping[str, str]) -> tuple[list[Naming], list[str]]:
    """The aliases to set, and why some cannot be set.

    Args:
        snapshot: The group.
        aliases: The alias of each stage.
    """
    wanted: list[Naming] = []
    problems: list[str] = []
    for model in snapshot.models:
        for stage, alias in aliases.items():
            staged = model.staged(stage)
            problems += _problems(model, stage, alias)
            wanted += [
                Naming(model.name, one.number, stage, alias, alias in one.aliases) for one in staged[:1]
            ]
    return ([] if problems else wanted), problems


def _problems(model: Model, stage: str, alias: str) -> Iterator[str]:
    staged, holder = model.staged(stage), model.aliases.get(alias)
    numbers = [version.number for version in staged]
    if len(numbers) > 1:
        yield f"{model.name} has {len(numbers)} versions in {stage}: {', '.join(map(str, numbers))}"
    elif numbers and holder not in (None, *numbers):
        yield f"{model.name} version {numbers[0]} is in {stage}, but the alias {alias} is on version {holder}"
