"""Whatever an MLflow server answers, a command ends with a result or with one of our errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from jenkins_mlflow.cleanup.lease import leases
from jenkins_mlflow.cleanup.protection import Protection, has_record, unfinished
from jenkins_mlflow.commands.doctor.models import examine
from jenkins_mlflow.config.cleanup import Protect
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.promotion.intent import is_unfinished, read_intent, unsigned
from jenkins_mlflow.promotion.record import before, is_recorded, tags_over
from jenkins_mlflow.promotion.rollback import plan_return
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.http import HttpDoor
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.tags import FLAG_PREFIX, HOLDER_TAG, INTENT_TAG, LEASE_TAG, RECORD_TAGS, SIGNATURE_TAG
from support.thorough import examples

TARGET = Target("Production", "champion", exclusive=True)
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(
    [f"{LEASE_TAG}x", INTENT_TAG, HOLDER_TAG, SIGNATURE_TAG, f"{INTENT_TAG}.0", *sorted(RECORD_TAGS)]
)
NASTY = st.sampled_from(["[" * 4900, "9" * 4900, "9999-12-31T23:59:59-23:59"])
TEXTS = NASTY | st.text(max_size=10) | JSON.map(json.dumps)
TAGS = st.lists(st.fixed_dictionaries({"key": KEYS, "value": TEXTS | JSON}), max_size=4)
NUMBERS = st.integers() | st.sampled_from(["1", "2", "x", "", None, 1e300, -1, 2**70])
NAMES = st.sampled_from(["m", "other", f"{FLAG_PREFIX}1", "", "\x1b]"]) | JSON
ALIASES = st.lists(st.fixed_dictionaries({"alias": NAMES, "version": NUMBERS}), max_size=2)
MODEL = st.fixed_dictionaries(
    {"name": NAMES}, optional={"tags": TAGS, "aliases": ALIASES, "last_updated_timestamp": NUMBERS}
)
VERSION = st.fixed_dictionaries(
    {"name": NAMES, "version": NUMBERS},
    optional={
        "tags": TAGS,
        "current_stage": st.sampled_from(["Production", "None", "", "Lost"]) | JSON,
        "creation_timestamp": NUMBERS,
        "run_id": NAMES,
        "source": TEXTS,
        "status": st.just("READY") | JSON,
        "aliases": st.lists(NAMES, max_size=2),
    },
)
RUN = st.fixed_dictionaries(
    {"info": st.fixed_dictionaries({"run_id": NAMES}, optional={"start_time": NUMBERS})},
    optional={
        "data": st.fixed_dictionaries(
            {"metrics": st.lists(st.fixed_dictionaries({"key": NAMES, "value": NUMBERS}))}
        )
    },
)
ANSWER = st.fixed_dictionaries(
    {},
    optional={
        "registered_models": st.lists(MODEL, max_size=3),
        "registered_model": MODEL,
        "model_versions": st.lists(VERSION, max_size=3),
        "model_version": VERSION,
        "runs": st.lists(RUN, max_size=2),
        "experiments": st.lists(st.fixed_dictionaries({"experiment_id": NAMES}), max_size=2),
        "next_page_token": st.sampled_from(["", "more"]) | JSON,
    },
)
BODIES = (
    st.binary(max_size=30)
    | JSON.map(lambda value: json.dumps(value).encode())
    | ANSWER.map(lambda value: json.dumps(value).encode())
)


def registry(bodies: list[bytes], keys: Keys) -> Registry:
    """A registry whose server gives these answers in turn, the last one for ever."""
    door = HttpDoor("http://mlflow", {}, Path("/nowhere"))
    remaining = list(bodies)

    def exchange(method: str, path: str, **arguments: Any) -> tuple[bytes, Mapping[str, str]]:
        return (remaining.pop(0) if len(remaining) > 1 else remaining[0]), {}

    door._sender.exchange = exchange  # type: ignore[method-assign]
    connection: Any = SimpleNamespace(uri="http://mlflow", over_http=True, door=door)
    return Registry(connection, RetryPolicy(attempts=1), keys)


def look(server: Registry) -> None:
    """What commands do with what they read."""
    snapshot = server.snapshot(["*"], with_runs=True)
    examine(snapshot, TARGET)
    protection = Protection(Protect(), TARGET, 3)
    naming = protection.rollback_targets(snapshot.versions())
    for model in snapshot.models:
        unsigned(model)
        unfinished({model.name: model.tags})
        if is_unfinished(model):
            with suppress(JenkinsMlflowError):
                read_intent(model)
        with suppress(JenkinsMlflowError):
            plan_return(snapshot, model.name, None, TARGET)
        for version in model.versions:
            before(version)
            is_recorded(version)
            tags_over(version)
            has_record(version)
            leases(version.tags)
            protection.reason(version, naming.of(version))


ASKED: dict[str, Callable[[Registry], object]] = {
    "the group": look,
    "a model": lambda server: server.model("m"),
    "a version": lambda server: server.version("m", 1),
    "the flags": lambda server: [
        Holder.from_tag(flag.tags.get(HOLDER_TAG, "")).summary for flag in server.flags()
    ],
    "the files": lambda server: server.storage_uri("m", 1),
    "the names": lambda server: server.names(),
}


@pytest.mark.parametrize("keys", [Keys(), Keys(("k" * 32,))], ids=["without a key", "with a key"])
@pytest.mark.parametrize("what", ASKED)
@settings(
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)
@given(bodies=st.lists(BODIES, min_size=1, max_size=5))
def test_no_answer_is_a_crash(what: str, keys: Keys, bodies: list[bytes]) -> None:
    with suppress(JenkinsMlflowError):
        ASKED[what](registry(bodies, keys))
