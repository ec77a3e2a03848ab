"""Plans what to copy of a version, and to where. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from jenkins_mlflow.errors import Refused
from jenkins_mlflow.metrics import comparable
from jenkins_mlflow.registry.door_types import Point, WholeRun
from jenkins_mlflow.registry.locations import parse_location
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import BUILD_TAG, CANDIDATE_TAG, CHANGE_TAG, OUTCOME_TAG, TAG_PREFIX
from jenkins_mlflow.text import plural, size
from jenkins_mlflow.transfer.origin import Origin

T = TypeVar("T")

_FOLDER = "model"
_KEPT_TAGS = frozenset({BUILD_TAG, CANDIDATE_TAG, CHANGE_TAG, OUTCOME_TAG})
_OF_OTHER_RUNS = frozenset({"mlflow.parentRunId", "mlflow.rootRunId"})


@dataclass(frozen=True)
class Part:
    """A folder of the source, with its files' sizes by path; ``into`` is its folder in the copy's run."""

    uri: str
    into: str
    files: Mapping[str, int]

    @property
    def targets(self) -> dict[str, int]:
        """The same files by their path in the copy's run."""
        return {self.target(path): length for path, length in self.files.items()}

    def target(self, path: str) -> str:
        """The path of a file in the copy's run."""
        return f"{self.into}/{path}" if self.into else path


@dataclass(frozen=True)
class CopyPlan:
    """What to copy.

    Attributes:
        origin: The version, as named in the copy's tags.
        version: The version, as its own registry shows it.
        into: The registered model of the copy.
        run: The version's run; None if it has none or the run is gone.
        model: The version's own files.
        beside: The other artifacts of its run.
        model_metrics: The last values that were logged for its own model, if its run logged several models.
    """

    origin: Origin
    version: Version
    into: str
    run: WholeRun | None
    model: Part
    beside: Part
    model_metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def targets(self) -> dict[str, int]:
        """Every file that the copy's run must have, with its size."""
        return {**self.beside.targets, **self.model.targets}

    @property
    def bytes(self) -> int:
        return sum(self.targets.values())

    @property
    def experiment(self) -> str:
        """The name of the experiment for the copy's run, the same as that of the version's run."""
        return self.run.experiment if self.run else self.into

    @property
    def run_tags(self) -> dict[str, str]:
        """The tags of the copy's run: the origin's, without those that are valid only on its own server."""
        tags = self.run.tags if self.run else {}
        kept = {key: tags[key] for key in tags if key not in _OF_OTHER_RUNS and _may_go(key)}
        return {**kept, **self.origin.tags()}

    @property
    def version_tags(self) -> dict[str, str]:
        """The tags of the copy: the origin's, without its promotion record."""
        tags = self.version.tags
        return {**{key: tags[key] for key in tags if _may_go(key)}, **self.origin.tags()}

    def describe(self, server: str) -> str:
        """Describe the copy in one sentence, for a dry run."""
        files = f"{plural(len(self.targets), 'file')}, {size(self.bytes)}"
        return f"{self.version.label}: is copied to {self.into} on {server} ({files})"


def plan_copy(
    origin: Origin,
    version: Version,
    into: str,
    run: WholeRun | None,
    model: tuple[str, Mapping[str, int]],
    artifacts: Mapping[str, int],
    model_metrics: Mapping[str, float],
) -> CopyPlan:
    """Lay out the copy's run: the run's artifacts unchanged, and the version's files among them or next to them.

    Args:
        origin, version: The version to copy.
        into: The registered model of the copy.
        run: The version's run.
        model: Where the version's files are, and the size of each.
        artifacts: The run's artifacts, which may include the version's files.
        model_metrics: See ``CopyPlan``.

    Raises:
        Refused: the version has no files.
    """
    uri, files = model
    if not files:
        raise Refused(
            f"{version.label} has no files at {uri}",
            state="nothing was copied",
            next_step="`jenkins-mlflow doctor --storage` looks for the files of every version",
        )
    folder = _within(uri, run.uri) if run else None
    if folder is None:
        taken = {path.partition("/")[0] for path in artifacts}
        names = (_FOLDER, *(f"{_FOLDER}-{number}" for number in range(2, len(taken) + 3)))
        folder = next(name for name in names if name not in taken)
    model_part = Part(uri, folder, files)
    rest = {path: length for path, length in artifacts.items() if path not in model_part.targets}
    return CopyPlan(
        origin,
        version,
        into,
        run and _run_of(version, run),
        model_part,
        Part(run.uri if run else "", "", rest),
        model_metrics,
    )


def _run_of(version: Version, run: WholeRun) -> WholeRun:
    """The run without the metrics that it logged only for other models."""
    seen = version.run
    if seen is None or not (seen.of_model or seen.unclear):
        return run
    return run._replace(metrics=[name for name in run.metrics if name in seen.metrics])


def own_points(points: Sequence[Point], key: str, model_metrics: Mapping[str, float]) -> Sequence[Point]:
    """The values of a metric to copy: all, or of one with values of several models only the last of the own one.

    A run's history does not say for which model a value was logged.
    """
    if key not in model_metrics or not points:
        return points
    last = points[-1]._replace(value=model_metrics[key])
    return [next((point for point in reversed(points) if _shown(point.value) == _shown(last.value)), last)]


def missing(wanted: Collection[Point], logged: Collection[Point]) -> list[Point]:
    """The values of a metric that have not been logged yet, each once, because some stores keep repeated values."""
    seen = {_key(point) for point in logged}
    found: list[Point] = []
    for point in wanted:
        if _key(point) not in seen:
            seen.add(_key(point))
            found.append(point)
    return found


def may_go_on(plan: CopyPlan, files_in_run: Mapping[str, int]) -> bool:
    """Whether the run of an interrupted copy can be continued, that is, whether it has only wanted files."""
    return all(path in plan.targets for path in files_in_run)


def batches(items: Sequence[T], most: int) -> list[Sequence[T]]:
    """Split the items into batches of at most ``most``."""
    return [items[start : start + most] for start in range(0, len(items), most)]


def _key(point: Point) -> tuple[str, str, int, int]:
    return (point.key, _shown(point.value), point.when, point.step)


def _shown(value: float) -> str:
    """A value as text, because NaN is not equal to itself, and stores represent infinities in two ways."""
    return repr(value) if comparable(value) else "+" if value > 0 else "-" if value < 0 else "NaN"


def _may_go(tag: str) -> bool:
    return not tag.startswith(TAG_PREFIX) or tag in _KEPT_TAGS


def _within(uri: str, above: str) -> str | None:
    """The path of a location relative to the one above it; None if it is not below that."""
    try:
        place, root = parse_location(uri), parse_location(above)
    except ValueError:
        return None
    return "/".join(place.parts[len(root.parts) :]) if place.within(root) else None
