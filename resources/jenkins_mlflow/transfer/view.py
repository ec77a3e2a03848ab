"""Shows a group with another server's production, so that a selection can compare both. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import NO_STAGE, PRODUCTION, Target, Version
from jenkins_mlflow.transfer.origin import Origin, read_origin


def seen_with(here: Snapshot, on_other_server: Snapshot, target: Target, server: str) -> Snapshot:
    """The group with the marks of the other server's production in place of its own.

    Versions in production here are candidates like any others. A version whose copy is in production there is
    the champion, and its promotion record is that of its copy: one that has only been in production here has
    none. Versions in production there that come from elsewhere are shown next to the group.

    Args:
        here: The group.
        on_other_server: The other server's models.
        target: What marks production there.
        server: The other server's name, for models shown next to the group.
    """
    serving = copies_in_production(on_other_server, target)
    ids = {version.identity: Origin.of(version, "").id for version in here.versions()}
    records = _records_of_copies(on_other_server)
    models = tuple(_marked(model, serving, records, ids, target) for model in here.models)
    known = set(ids.values())
    foreign: dict[str, list[Version]] = defaultdict(list)
    for version in on_other_server.production(target):
        origin = read_origin(version)
        if origin is None or origin.id not in known:
            foreign[version.model].append(version)
    return Snapshot(models + tuple(_shown(name, versions, server) for name, versions in foreign.items()))


def copies_in_production(on_other_server: Snapshot, target: Target) -> dict[str, Version]:
    """The copies in production on the other server, by the id of the version from which each was made."""
    production = on_other_server.production(target)
    return {origin.id: version for version in production if (origin := read_origin(version))}


def _records_of_copies(on_other_server: Snapshot) -> dict[str, Mapping[str, str]]:
    """The latest promotion record of each version's copies on the other server, by the id of that version."""
    copies = sorted(on_other_server.versions(), key=lambda version: version.recorded_time)
    return {origin.id: version.record for version in copies if (origin := read_origin(version))}


def _marked(
    model: Model,
    serving: Mapping[str, Version],
    records: Mapping[str, Mapping[str, str]],
    ids: Mapping[tuple[str, int, int], str],
    target: Target,
) -> Model:
    versions = tuple(
        replace(_with_marks(version, serving.get(name), target), counted=records.get(name, {}))
        for version in model.versions
        for name in [ids[version.identity]]
    )
    return replace(model, versions=versions, aliases=_aliases(versions))


def _with_marks(version: Version, copy: Version | None, target: Target) -> Version:
    aliases = {alias for alias in version.aliases if alias != target.alias}
    stage = NO_STAGE if version.stage in (target.stage, PRODUCTION) else version.stage
    if copy is not None:
        aliases |= {alias for alias in copy.aliases if alias == target.alias}
        stage = copy.stage if copy.stage == target.stage else stage
    return replace(version, stage=stage, aliases=tuple(sorted(aliases)))


def _shown(name: str, versions: list[Version], server: str) -> Model:
    label = f"{name} on {server}"
    shown = tuple(
        replace(version, model=label) for version in sorted(versions, key=lambda each: -each.number)
    )
    return Model(label, shown, _aliases(shown))


def _aliases(versions: tuple[Version, ...]) -> dict[str, int]:
    return {alias: version.number for version in versions for alias in version.aliases}
