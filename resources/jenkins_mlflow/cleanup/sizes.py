"""The size of versions' files, as far as this machine can measure it: for people, no decision depends on it.

MLflow offers no figure instead: 2.22 to 3.17 write a size only into the file MLmodel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import replace

from jenkins_mlflow.cleanup.plan import Item
from jenkins_mlflow.cleanup.references import run_path_of
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry import homes
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.locations import Location, parse_location
from jenkins_mlflow.registry.sources import logged_model_of
from jenkins_mlflow.registry.storage import OutOfReach, Storage
from jenkins_mlflow.registry.version import Version


def with_sizes(registry: Registry, items: Sequence[Item], workers: int) -> tuple[Item, ...]:
    """The items; those to be deleted also get the location and size of their files.

    All locations together take few requests; the sizes one for each folder, unless it is on this machine.
    """
    storage = Storage(registry)
    doomed = [item.version for item in items if item.action == "delete"]
    places = dict(zip([v.identity for v in doomed], _places(registry, doomed, workers), strict=True))

    def measured(location: Location) -> int | None:
        with contextlib.suppress(JenkinsMlflowError, OutOfReach):
            return storage.measure(location).bytes
        return None

    distinct = list(dict.fromkeys(place for place in places.values() if place))
    sizes = dict(zip(distinct, side_by_side(measured, distinct, workers=workers), strict=True))

    def sized(item: Item) -> Item:
        place = places.get(item.version.identity) if item.action == "delete" else None
        size = sizes[place] if place else None
        return item if place is None or size is None else replace(item, storage=place.uri, bytes=size)

    return tuple(map(sized, items))


def _places(registry: Registry, versions: Sequence[Version], workers: int) -> list[Location | None]:
    """The location of each version's files; None if it is unknown."""

    def ask(version: Version) -> str:
        with contextlib.suppress(JenkinsMlflowError):
            return registry.storage_uri(version.model, version.number)
        return ""

    def address(version: Version) -> str:
        is_copy = version.source.startswith("models:") and not logged_model_of(version.source)
        return ask(version) if is_copy else version.source

    addresses = side_by_side(address, versions, workers=workers)
    found = _of_runs(registry, addresses) | _of_logged_models(registry, addresses)

    def place(known: tuple[Version, str]) -> Location | None:
        version, uri = known
        if uri in found:
            return found[uri]
        with contextlib.suppress(ValueError):
            return parse_location(ask(version) if logged_model_of(uri) else uri)
        return None

    return side_by_side(place, list(zip(versions, addresses, strict=True)), workers=workers)


def _of_runs(registry: Registry, addresses: Collection[str]) -> dict[str, Location]:
    """The location of each address of the form ``runs:/`` whose run exists."""
    paths = {uri: path for uri in addresses if (path := run_path_of(uri))}
    found: dict[str, Location] = {}
    with contextlib.suppress(JenkinsMlflowError):
        runs = homes.kept_runs(registry, {run_id for run_id, _ in paths.values()})
        for uri, (run_id, names) in paths.items():
            with contextlib.suppress(KeyError, ValueError):
                found[uri] = parse_location(runs[run_id].uri).below(*names)
    return found


def _of_logged_models(registry: Registry, addresses: Collection[str]) -> dict[str, Location]:
    """The location of each logged model, if the server can search for many ids at once."""
    ids = {model_id: uri for uri in addresses if (model_id := logged_model_of(uri))}
    found: dict[str, Location] = {}
    with contextlib.suppress(JenkinsMlflowError):
        for model in homes.logged_models_with_ids(registry, ids):
            with contextlib.suppress(KeyError, ValueError):
                found[ids[model.model_id]] = parse_location(model.uri)
    return found
