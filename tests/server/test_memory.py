"""The registry in memory, on which random promotions are tried, answers as a real one does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from conftest import MakeServer
from jenkins_mlflow.methods.copy import find_copy, make_copy
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.snapshot import Model
from support.memory import MemoryRegistry, World
from support.seeding import client
from support.servers import Store

MODEL, COPY = "memory", "memory-copy"

CALLS: list[Callable[[Registry], object]] = [
    lambda registry: registry.set_stage(MODEL, 1, "Production"),
    lambda registry: registry.set_stage(MODEL, 2, "Staging"),
    lambda registry: registry.set_alias(MODEL, "champion", 1),
    lambda registry: registry.set_stage(MODEL, 2, "Production", archive_existing=True),
    lambda registry: registry.set_stage(MODEL, 2, "Production", archive_existing=True),
    lambda registry: registry.set_stage(MODEL, 1, "Production"),
    lambda registry: registry.set_alias(MODEL, "champion", 2),
    lambda registry: registry.set_alias(MODEL, "old", 2),
    lambda registry: registry.delete_alias(MODEL, "old"),
    lambda registry: registry.delete_alias(MODEL, "old"),
    lambda registry: registry.tag_version(MODEL, 2, {"a": "1", "b": ""}),
    lambda registry: registry.tag_model(MODEL, "c", "2"),
    lambda registry: registry.tag_model(MODEL, "c", ""),
    lambda registry: registry.untag_model(MODEL, "c"),
    lambda registry: registry.untag_model(MODEL, "c"),
    lambda registry: make_copy(registry, registry.model(MODEL).versions[-2], COPY),
    lambda registry: make_copy(registry, registry.model(MODEL).versions[-2], COPY),
    lambda registry: registry.delete_version(MODEL, 2),
    lambda registry: registry.set_alias(MODEL, "champion", 2),
    lambda registry: registry.set_stage(MODEL, 2, "Archived"),
    lambda registry: registry.tag_version(MODEL, 2, {"a": "1"}),
    lambda registry: registry.delete_version(MODEL, 3),
    lambda registry: registry.model("memory-gone"),
    lambda registry: registry.tag_model("memory-gone", "a", "b"),
]


def script(registry: Registry, make: Callable[[], object]) -> list[object]:
    """What each call answers, and what there is afterwards."""
    for _ in range(3):
        make()
    answers: list[object] = []
    for call in CALLS:
        try:
            call(registry)
        except Exception as error:
            if not classify(error.__cause__ or error).not_found and "not in the registry" not in str(error):
                raise
            answers.append("missing")
        answers += [comparable(model) for model in registry.snapshot([MODEL, COPY]).models]
    make()
    copy = registry.model(COPY)
    answers += [comparable(registry.model(MODEL)), copy.versions[0].source, copy.versions[0].stage]
    return answers


def comparable(model: Model) -> Model:
    """Without times, runs and the places of files, which no test can know."""
    versions = tuple(replace(v, created=0, run_id=None, source="", run=None) for v in model.versions)
    return replace(model, versions=versions)


@pytest.mark.parametrize("store", ["sqlite", "file"])
def test_the_registry_in_memory_is_like_a_real_one(store: Store, make_server: MakeServer) -> None:
    """The same calls, the same answers, the same numbers for new versions; a copy is known by its source and run."""
    server = make_server(store=store)
    real = Registry(connect(server.url))
    mlflow = client(server.url)
    mlflow.create_registered_model(MODEL)
    run = mlflow.create_run("0").info
    world = World()
    memory = MemoryRegistry(world)
    world.make_model(MODEL)
    found = script(real, lambda: mlflow.create_model_version(MODEL, f"{run.artifact_uri}/model", run.run_id))
    assert found == script(memory, lambda: world.make_version(MODEL))
    for registry in (real, memory):
        first = registry.model(MODEL).version(1)
        assert first is not None
        make_copy(registry, first, COPY)
        assert find_copy(registry.model(COPY), first) == 3
