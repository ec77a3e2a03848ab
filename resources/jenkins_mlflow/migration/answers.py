"""Reads items from a store in a form that is equal if a file store and a database mean the same."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jenkins_mlflow.metrics import STORED_INFINITY
from jenkins_mlflow.migration.points import Point

SESSION = "mlflow.trace.session"
LONGEST_SESSION = 250
_PAGE = 1000


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def experiments(store: Any) -> Iterator[Any]:
    from mlflow.entities import ViewType

    return _pages(lambda token: store.search_experiments(ViewType.ALL, max_results=_PAGE, page_token=token))


def about_experiment(e: Any) -> dict[str, Any]:
    return {
        "name": e.name,
        "artifact location": e.artifact_location,
        "lifecycle": e.lifecycle_stage,
        "created": e.creation_time,
        "updated": e.last_update_time,
        "tags": dict(e.tags),
    }


def runs(store: Any, experiment: str) -> Iterator[Any]:
    from mlflow.entities import ViewType

    # The file store reads all runs again for each page.
    return _pages(
        lambda token: store.search_runs([experiment], "", ViewType.ALL, max_results=50_000, page_token=token)
    )


def about_run(run: Any, metrics: Mapping[str, float]) -> dict[str, Any]:
    """A run with the values of its metrics, which a file store does not always show as they were logged."""
    info, data = run.info, run.data
    return {
        "name": info.run_name,
        "user": info.user_id,
        "status": info.status,
        "lifecycle": info.lifecycle_stage,
        "started": info.start_time,
        "ended": info.end_time,
        "artifacts": info.artifact_uri,
        "params": dict(data.params),
        "tags": dict(data.tags),
        "metrics": {key: as_stored(value) for key, value in metrics.items()},
        "datasets": _sorted(
            {**dict(each.dataset), "tags": {tag.key: tag.value for tag in each.tags}}
            for each in run.inputs.dataset_inputs
        ),
        "models read": sorted(each.model_id for each in run.inputs.model_inputs),
        "models made": sorted((each.model_id, each.step) for each in run.outputs.model_outputs),
    }


def logged_models(store: Any, experiment: str) -> Iterator[Any]:
    return _pages(lambda token: store.search_logged_models([experiment], max_results=50, page_token=token))


def about_logged_model(model: Any, points: Iterable[tuple[str, Point]]) -> dict[str, Any]:
    """A logged model with all points of its metrics, of which a file store shows only the latest."""
    return {
        "name": model.name,
        "run": model.source_run_id,
        "artifacts": model.artifact_location,
        "status": str(model.status),
        "type": model.model_type or None,
        "created": model.creation_timestamp,
        "updated": model.last_updated_timestamp,
        "params": dict(model.params),
        "tags": dict(model.tags),
        "metrics": sorted(
            ((name, *point.key, point.dataset, _stored(point.value)) for name, point in points), key=repr
        ),
    }


def points_of(model: Any) -> Iterator[tuple[str, Point]]:
    """The points of a logged model's metrics as a database store lists them."""
    for m in model.metrics or ():
        dataset = (m.dataset_name, m.dataset_digest) if m.dataset_name else None
        yield m.key, Point(m.step, m.timestamp, m.value, m.run_id, dataset)


def traces(store: Any, experiment: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    token = None
    while True:
        page, token = store.search_traces(locations=[experiment], max_results=500, page_token=token)
        found |= {trace.trace_id: trace for trace in page}
        if not token:
            return found


def about_trace(trace: Any) -> dict[str, Any]:
    return {
        "time": trace.request_time,
        "took": trace.execution_duration,
        "state": str(trace.state),
        "client request": trace.client_request_id,
        "request": trace.request_preview,
        "response": trace.response_preview,
        "metadata": {**trace.trace_metadata, **_session(trace)},
        "tags": dict(trace.tags),
    }


def _session(trace: Any) -> dict[str, str]:
    """The session of a trace, which a database cuts."""
    session = trace.trace_metadata.get(SESSION)
    return {SESSION: session[:LONGEST_SESSION]} if session else {}


def assessments(traces: Mapping[str, Any]) -> dict[str, Any]:
    """The assessments of traces, by name."""
    return {
        f"{each.assessment_id} of trace {name}": {**each.to_dictionary(), "valid": each.valid is not False}
        for name, trace in traces.items()
        for each in trace.assessments
    }


def _every(search: Callable[..., Any], most: int) -> Iterator[Any]:
    """All models or versions, including prompts, which have to be requested explicitly."""
    for condition in ("name LIKE '%'", "name LIKE '%' AND tags.`mlflow.prompt.is_prompt` = 'true'"):
        yield from _pages(functools.partial(_search, search, condition, most))


def _search(search: Callable[..., Any], condition: str, most: int, token: str | None) -> Any:
    return search(condition, max_results=most, page_token=token)


def models(store: Any) -> dict[str, Any]:
    return {model.name: model for model in _every(store.search_registered_models, _PAGE)}


def about_model(model: Any) -> dict[str, Any]:
    return {
        "created": model.creation_timestamp,
        "updated": model.last_updated_timestamp,
        "description": model.description or None,
        "tags": dict(model.tags),
    }


def aliases(models: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, model in models.items():
        for alias, version in model.aliases.items():
            yield f"{name}@{alias}", int(version)


def versions(store: Any) -> dict[str, Any]:
    return {
        f"{version.name} version {version.version}": {
            "stage": version.current_stage,
            "created": version.creation_timestamp,
            "updated": version.last_updated_timestamp,
            "description": version.description or None,
            "user": version.user_id,
            "source": version.source,
            "files": store.get_model_version_download_uri(version.name, version.version),
            "run": version.run_id or None,
            "link": version.run_link or None,
            "status": version.status,
            "status message": version.status_message or None,
            "tags": dict(version.tags),
        }
        for version in _every(store.search_model_versions, 10_000)
    }


def as_stored(value: float) -> float | str:
    """A metric's value as in a database: without infinity, and with NaN equal to itself."""
    if math.isnan(value):
        return "NaN"
    return math.copysign(STORED_INFINITY, value) if math.isinf(value) else value


def _stored(value: float) -> float | str:
    """The same for logged models, whose NaN a database store writes as 0."""
    return 0.0 if math.isnan(value) else as_stored(value)


def _sorted(items: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(items, key=repr)
