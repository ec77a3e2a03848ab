"""Random registries and retention rules, for properties, and a registry in memory for what a cleanup asks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from builders import snapshot, version
from hypothesis import strategies as st
from jenkins_mlflow.cleanup.lease import lease_tag
from jenkins_mlflow.cleanup.protection import Key
from jenkins_mlflow.config.cleanup import KeepBest
from jenkins_mlflow.errors import NotFound
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import BEFORE, KEEP_TAG, PREVIOUS_MODEL, PREVIOUS_VERSION

T = TypeVar("T")
NOW = 100 * 86_400.0
TARGET = Target("Production", "champion")
MARKS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "stage": st.sampled_from(["None", "None", "Archived", "Staging", "Production"]),
        "aliases": st.sampled_from([(), (), (), ("champion",), ("x", "y")]),
        "status": st.sampled_from(["READY", "READY", "FAILED_REGISTRATION"]),
        "metrics": st.sampled_from([None, {}, {"roc_auc": 0.2}, {"roc_auc": 0.7}, {"roc_auc": 0.9}]),
        "hidden": st.sampled_from([False, False, False, True]),
        "tags": st.sampled_from(
            [
                *[{}] * 4,
                {"keep": "true"},
                {KEEP_TAG: "no"},
                {PREVIOUS_VERSION: "1"},
                {PREVIOUS_VERSION: "2", PREVIOUS_MODEL: "a"},
                {BEFORE: '[["b", 3, 0], ["a", 4, 0]]'},
                dict([lease_tag("eu", NOW + 1)]),
                dict([lease_tag("eu", NOW - 1)]),
            ]
        ),
        "created": st.integers(0, 90 * 24).map(lambda hours: int((NOW - hours * 3600) * 1000)),
    }
)


def _version(name: str, number: int, *, hidden: bool, **marks: Any) -> Version:
    """A version; the run of a hidden one cannot be read."""
    made = version(name, number, **marks)
    return replace(made, run=None, run_id=made.run_id or "hidden") if hidden else made


REGISTRIES = st.fixed_dictionaries({}, optional={n: st.lists(MARKS, max_size=9) for n in "ab"}).map(
    lambda models: snapshot(
        *(_version(name, n, **marks) for name, of in models.items() for n, marks in enumerate(of, start=1))
    )
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "keep_last": st.integers(0, 4),
        "keep_best": st.integers(1, 3).map(lambda count: KeepBest(count=count)),
        "keep_within": st.integers(0, 20).map(lambda days: f"{days}d"),
        "keep_daily": st.integers(0, 4),
        "keep_weekly": st.integers(0, 4),
        "keep_monthly": st.integers(0, 3),
    },
)


class Memory:
    """As much of a registry and its journal as a cleanup asks for."""

    def __init__(self, group: Snapshot) -> None:
        self.models = group.models
        self.versions = {(version.model, version.number): version for version in group.versions()}
        self.written: set[Key] = set()
        self.deleted_unwritten: list[Key] = []
        self.withdrawn: set[Key] = set()

    def under(self, lock: object) -> Memory:
        return self

    def retrying(self, what: str, call: Callable[[], T]) -> T:
        return call()

    def versions_with_tag(self, key: str) -> list[Version]:
        return [replace(version, aliases=()) for version in self.versions.values() if key in version.tags]

    def models_with_tag(self, key: str) -> dict[str, dict[str, str]]:
        return {model.name: dict(model.tags) for model in self.models if key in model.tags}

    def counts_intent(self, name: str, tags: Mapping[str, str]) -> bool:
        return next(model.signed for model in self.models if model.name == name)

    def version(self, name: str, number: int) -> Version:
        try:
            return self.versions[name, number]
        except KeyError:
            raise NotFound("gone") from None

    def versions_between(self, name: str, first: int, last: int) -> list[Version]:
        return [self.versions[key] for key in self.versions if key[0] == name and first <= key[1] <= last]

    def delete_version(self, name: str, number: int) -> None:
        if (name, number) not in self.written:
            self.deleted_unwritten.append((name, number))
        del self.versions[name, number]

    def write(self, model: str, versions: Sequence[Version], sizes: object) -> str:
        self.written |= {(model, version.number) for version in versions}
        return model

    def withdraw(self, run: str, versions: Sequence[Version]) -> None:
        self.withdrawn |= {(run, version.number) for version in versions}

    def close(self, run: str, model: str, counts: object) -> None:
        pass


CHANGES: dict[str, Callable[[Version], Version | None]] = {
    "gone": lambda version: None,
    "staged": lambda version: replace(version, stage="Staging"),
    "aliased": lambda version: replace(version, aliases=("new",)),
    "tagged": lambda version: replace(version, tags={**version.tags, "note": "new"}),
    "made again": lambda version: replace(version, created=version.created + 1),
}
