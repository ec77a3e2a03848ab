"""The registry at one moment, as plain frozen values without a connection. Plans are made from these."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.registry.version import Target, Version, last_recorded
from jenkins_mlflow.text import printable


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model and its versions, newest first.

    ``signed`` is False if it has an intent without a valid signature.
    """

    name: str
    versions: tuple[Version, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    signed: bool = True

    def version(self, number: int) -> Version | None:
        return next((version for version in self.versions if version.number == number), None)

    def staged(self, stage: str | None) -> tuple[Version, ...]:
        """The versions in this stage, newest first; none if the stage is None."""
        return tuple(version for version in self.versions if stage and version.stage == stage)

    def production(self, target: Target) -> tuple[Version, ...]:
        """The versions in production, newest first; more than one only if somebody changed that without this tool."""
        return tuple(version for version in self.versions if version.in_production(target))

    @property
    def recorded(self) -> Version | None:
        """The version that is in production according to the records, see ``last_recorded``."""
        return last_recorded(self.versions)

    def disagreement(self, target: Target) -> tuple[Version, Version] | None:
        """The version in the stage and the one with the alias, if stage and alias contradict each other.

        Returns:
            None if one of the marks is absent or not used, or if one version has both.
        """
        if not self.production(target):
            return None
        staged = self.staged(target.stage)
        holder = next((version for version in self.versions if target.alias in version.aliases), None)
        return (staged[0], holder) if staged and holder and holder not in staged else None


@dataclass(frozen=True)
class Snapshot:
    """The models of a group, sorted by name."""

    models: tuple[Model, ...] = ()

    @functools.cached_property
    def _by_name(self) -> Mapping[str, Model]:
        return {model.name: model for model in self.models}

    def model(self, name: str) -> Model | None:
        return self._by_name.get(name)

    def only(self, name: str) -> Snapshot:
        """This model alone; empty if it does not exist."""
        return Snapshot(tuple(model for model in self.models if model.name == name))

    def require(self, name: str) -> Model:
        """The model with this name.

        Raises:
            NotFound: there is none.
        """
        model = self.model(name)
        if model is None:
            raise NotFound(
                f"there is no registered model {printable(name)!r}",
                state="nothing was changed",
                next_step="`jenkins-mlflow list` shows the existing models",
            )
        return model

    def versions(self) -> Iterator[Version]:
        for model in self.models:
            yield from model.versions

    def production(self, target: Target) -> tuple[Version, ...]:
        """Every version of the group that is in production."""
        return tuple(version for version in self.versions() if version.in_production(target))

    @property
    def recorded(self) -> Version | None:
        """The group's version that was last put into production according to the records, whatever is there now."""
        recorded_versions = [version for model in self.models if (version := model.recorded)]
        return max(recorded_versions, key=lambda version: version.recorded_time, default=None)

    def require_agreement(self, target: Target) -> None:
        """Make sure that each model's stage and alias are on the same version.

        Raises:
            Refused: a model's are not; the message names both versions and the two commands that settle it.
        """
        for model in self.models:
            if found := model.disagreement(target):
                staged, holder = found
                command = f"jenkins-mlflow promote --model {printable(shlex.quote(model.name))} --version"
                raise Refused(
                    f"{printable(staged.label)} is in {target.stage}, but the alias {target.alias} is on "
                    f"version {holder.number}: which of them is in production?",
                    state="nothing was changed",
                    next_step=f"choose: `{command} {staged.number}` or `{command} {holder.number}`",
                )
