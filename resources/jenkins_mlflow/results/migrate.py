"""The result of `migrate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jenkins_mlflow import errors
from jenkins_mlflow.results.base import Meaning, Part, RegistryResult, Table


@dataclass(frozen=True, kw_only=True)
class MigratedPart(Part):
    """One kind of item, such as runs."""

    kind: str
    found: int
    """The number in the file store, including its trash."""
    verified: int
    """How many are equal in both stores, which show neither deleted logged models and versions nor unused datasets."""


@dataclass(frozen=True, kw_only=True)
class RenumberedPart(Part):
    """An experiment whose id does not fit into the database."""

    experiment: str
    """Its id in the file store."""
    number: int
    """Its id in the database."""


@dataclass(frozen=True, kw_only=True)
class AliasPart(Part):
    """An alias for the version in a stage."""

    model: str
    version: int
    stage: str
    alias: str
    outcome: Literal["planned", "set", "there"]
    """`there`: the version already had the alias."""
    loaded_by: str
    """The URI that loads the version now."""
    load_by: str
    """The URI to use from now on."""


@dataclass(frozen=True, kw_only=True)
class MigrateResult(RegistryResult):
    """The result of `migrate`."""

    statuses: ClassVar[Mapping[str, Meaning]] = {
        "planned": Meaning((errors.DONE,), "a dry run: nothing was written", None),
        "migrated": Meaning(
            (errors.DONE,), "everything is in the database, and MLflow answers as before", None
        ),
        "already": Meaning((errors.DONE,), "everything was already there; nothing was written", None),
        "differs": Meaning(
            (errors.FAILED,), "MLflow answers differently from the database; `differences` says where", None
        ),
        "aliased": Meaning((errors.DONE,), "the aliases are set", None),
    }
    in_table: ClassVar[bool] = True

    command: Literal["migrate"] = "migrate"
    status: Literal["planned", "migrated", "already", "differs", "aliased"]
    source: str | None = None
    """The folder of the file store; null for --stages-to-aliases."""
    items: tuple[MigratedPart, ...] = ()
    """What was copied, by kind."""
    rows: int = 0
    """How many rows the copy has in the database."""
    seconds: float = 0.0
    """How long reading, copying and comparing took."""
    renumbered: tuple[RenumberedPart, ...] = ()
    """Experiments that got another id; only SQLite accepts every id of a file store."""
    differences: tuple[str, ...] = ()
    """The first twenty answers that differ, one line each."""
    server_command: str = ""
    """The command that starts the server on the database, without any login."""
    aliases: tuple[AliasPart, ...] = ()
    """With --stages-to-aliases: the aliases that were set."""
    config: tuple[str, ...] = ()
    """With --stages-to-aliases: what to set in the config once nothing is loaded by its stage any more."""

    def table(self) -> Table:
        if self.aliases:
            return Table(
                ("model", "version", "stage", "alias", "outcome", "loaded by", "load by"),
                [
                    (a.model, a.version, a.stage, a.alias, a.outcome, a.loaded_by, a.load_by)
                    for a in self.aliases
                ],
            )
        return Table(
            ("kind", "in the folder", "verified"),
            [
                (item.kind, item.found, "" if self.status == "planned" else item.verified)
                for item in self.items
            ],
        )

    @property
    def next_step(self) -> str:
        if self.aliases:
            *others, last = self.config
            return f"load models by alias; then set {', '.join(others)} and {last} in mlops.yaml"
        return (
            f"start the server with its current options, and: {self.server_command}"
            if self.server_command and self.status != "differs"
            else ""
        )
