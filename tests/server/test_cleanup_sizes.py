"""Counting the bytes of what a cleanup would delete, on real servers: as du counts them, and with few requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FreshServer, MakeServer
from jenkins_mlflow.cleanup.plan import Item
from jenkins_mlflow.cleanup.sizes import with_sizes
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from support.proxy import CountingProxy, respond
from support.seeding import client, fresh_name
from support.servers import Server
from support.stored import Kind, disk_usage, register

MakeProxy = Callable[[Server], CountingProxy]

PLACES = ("model-versions/get-download-uri", "experiments/search", "logged-models/search", "runs/search")


def sized(uri: str, *models: str) -> dict[tuple[str, int], Item]:
    """Every version of these models as a cleanup that deletes it would show it."""
    registry = Registry(connect(uri))
    versions = registry.snapshot(models).versions()
    items = with_sizes(registry, [Item(version, "delete", "") for version in versions], workers=4)
    return {(item.version.model, item.version.number): item for item in items}


def asked(proxy: CountingProxy) -> dict[str, int]:
    """How often each question was asked that finds out where files lie."""
    return {
        name: n
        for name, n in Counter(request.endpoint for request in proxy.requests).items()
        if name in PLACES
    }


def test_places_are_asked_for_together(fresh_server: FreshServer, make_proxy: MakeProxy) -> None:
    """Addresses, runs and logged models take a request for all, a copy one of its own; each is as big as du says."""
    server, name = fresh_server("served"), fresh_name()
    kinds: list[Kind] = ["run", "logged", "run", "logged"]
    made = [register(server.url, name, kind, padding=1000 * n) for n, kind in enumerate(kinds, 1)]
    mlflow = client(server.url)
    for one in made[::2]:
        mlflow.create_model_version(name, f"runs:/{one.run_id}/model", one.run_id)
    for number in (2, 5):  # of a logged model, and of a path in a run
        mlflow.copy_model_version(f"models:/{name}/{number}", f"{name}-copy")
    proxy = make_proxy(server)
    items = sized(proxy.url, name, f"{name}-copy")
    places = {one.number: one.run_id for one in made[::2]} | {one.number: one.model_id for one in made[1::2]}
    found = {number: next(Path(server.folder).rglob(place)) for number, place in places.items()}
    on_disk = {number: disk_usage(folder / "artifacts") for number, folder in found.items()}
    expected = {(name, number): size for number, size in on_disk.items()}
    expected |= {(name, 5): on_disk[1], (name, 6): on_disk[3], (f"{name}-copy", 1): on_disk[2]}
    expected[(f"{name}-copy", 2)] = on_disk[1]
    assert {key: item.bytes for key, item in items.items()} == expected
    assert items[(name, 5)].storage == items[(name, 1)].storage
    assert asked(proxy) == {
        "experiments/search": 2,
        "runs/search": 1,
        "logged-models/search": 1,
        "model-versions/get-download-uri": 2,
    }


def test_each_place_is_measured_once(make_server: MakeServer, make_proxy: MakeProxy) -> None:
    """Ten versions of the same files take as many requests as one."""
    server, one, ten = make_server(), fresh_name(), fresh_name()
    made = register(server.url, one)
    for _ in range(10):
        register(server.url, ten, run_id=made.run_id)
    proxies = [make_proxy(server), make_proxy(server)]
    single, many = (sized(proxy.url, name) for proxy, name in zip(proxies, (one, ten), strict=True))
    assert {item.bytes for item in many.values()} == {item.bytes for item in single.values()} != {None}
    listed = [
        sum(
            request.endpoint.startswith("mlflow-artifacts") or "artifacts" in request.path
            for request in p.requests
        )
        for p in proxies
    ]
    assert listed[0] == listed[1] > 0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "no IN here"}'),
        (404, "<html>no such page</html>"),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}'),
    ],
)
def test_a_server_that_cannot_search_is_asked_one_by_one(
    make_server: MakeServer, make_proxy: MakeProxy, status: int, body: str
) -> None:
    """Where the search for logged models is refused, the bytes still are told."""
    server, name = make_server(), fresh_name()
    for _ in range(2):
        register(server.url, name, "logged")
    proxy = make_proxy(server)
    proxy.inject(respond(status, body, "application/json"), path="logged-models/search", times=10)
    assert all(item.bytes and item.bytes > 1000 for item in sized(proxy.url, name).values())
    assert asked(proxy)["model-versions/get-download-uri"] == 2


def test_a_logged_model_in_the_trash_is_counted(make_server: MakeServer) -> None:
    """Its files are there; the search does not find it, the version's own address does."""
    server, name = make_server(), fresh_name()
    made = [register(server.url, name, "logged") for _ in range(2)]
    client(server.url).delete_logged_model(made[0].model_id)
    assert all(item.bytes and item.bytes > 1000 for item in sized(server.url, name).values())
