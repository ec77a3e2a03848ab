"""Short ways to write registry contents down in tests of pure plans."""

from __future__ import annotations

from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Run, Version


def version(model: str, number: int, *, metrics: dict[str, float] | None = None, **fields: object) -> Version:
    """A READY version; with ``metrics`` it has a run."""
    run = Run(f"run-{model}-{number}", metrics, fields.pop("run_tags", {})) if metrics is not None else None  # type: ignore[arg-type]
    values: dict[str, object] = {
        "created": number * 1000,
        "run_id": run.run_id if run else None,
        "run": run,
        **fields,
    }
    return Version(model, number, **values)  # type: ignore[arg-type]


def snapshot(*versions: Version) -> Snapshot:
    """The group these versions make, models sorted, newest version first."""
    names = sorted({v.model for v in versions})
    models = []
    for name in names:
        of_model = tuple(sorted((v for v in versions if v.model == name), key=lambda v: -v.number))
        models.append(Model(name, of_model, {alias: v.number for v in of_model for alias in v.aliases}))
    return Snapshot(tuple(models))
