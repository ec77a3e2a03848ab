"""The book: stores events as runs in MLflow, and as tags of a model until those runs are written.

An event is stored in two steps. While the lock is held, one request puts it on the registered model as a tag;
from then on it cannot be lost. When the lock is released, it becomes a run and the tag is removed. If the
command stops in between, the next changing command writes the missing run. A run is found by the event's id,
so a command that looks first never writes it twice. Two commands that write the same event at once may create
two runs, which readers count once.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from jenkins_mlflow.errors import JenkinsMlflowError, LockLost, Refused
from jenkins_mlflow.history.event import Event, read_event
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.records import Records, equals, joined, pieces
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.tags import (
    EVENT_ID,
    EVENT_MODEL,
    EVENT_PART,
    LONGEST_TAG,
    PRODUCTION_CHANGE,
    RECORD_TAG,
    UNWRITTEN_TAG,
)
from jenkins_mlflow.text import plural, printable

RUNS_PER_PAGE = 500
MADE_UP_AT_ONCE = 20
"""The most missing runs that one command writes, because it has its own work to do."""


@dataclass
class Book:
    """Keeps and reads the events of one registry.

    Attributes:
        registry: Where they are stored.
        warn: Called with a message about events that could not be written; no command fails because of that.
    """

    registry: Registry
    warn: Callable[[str], None] = lambda text: None
    _kept: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._records = Records(self.registry)

    def keep(self, event: Event, held: Registry) -> None:
        """Put an event on its model, so that it can no longer be lost. 1 request.

        Args:
            event: The event.
            held: The registry under the lock of the change.

        Raises:
            LockLost: another command may have finished or undone the change by now; it stores the event.
        """
        if held.target:
            event = replace(event, marks=held.target.marks)
        self._kept.append(event)
        key, text = UNWRITTEN_TAG + event.id, event.to_json()
        if len(text) > LONGEST_TAG:  # it will be lost if this process is killed before writing the run
            return
        try:
            held.retrying("", lambda: held.tag_model(event.model, key, text))
        except LockLost:
            self._kept.remove(event)
            raise
        except JenkinsMlflowError:
            return  # it will be written as a run, or the failure to do so reported

    def withdraw(self) -> None:
        """Discard the kept events, because their changes were undone."""
        for event in self._kept:
            self._forget(event)
        self._kept.clear()

    def write(self, document: Mapping[str, object] | None = None) -> None:
        """Write the kept events as runs. Call it when the lock is released.

        Args:
            document: The command's result as JSON; stored as an artifact of the run if MLflow accepts one.
        """
        events, self._kept = self._kept, []
        self._write_all(events, document, fresh=True)

    def make_up(self, models: Iterable[Model]) -> None:
        """Write the events that earlier commands have left on these models."""
        found = list(unwritten(models))
        self._write_all(found[:MADE_UP_AT_ONCE], None)

    def read(self, *, anywhere: bool = True) -> Iterator[Event]:
        """Every event that was written as a run, oldest first.

        Args:
            anywhere: Whether to look for a renamed experiment, see ``Records.home``.

        Raises:
            ConnectionFailed, RegistryError: they cannot be read.
        """
        condition = equals(RECORD_TAG, PRODUCTION_CHANGE)
        for run in self._records.find("the history", condition, RUNS_PER_PAGE, anywhere=anywhere):
            if not run.deleted and (event := read_event(joined(EVENT_PART, run.tags))):
                yield event

    def _write_all(
        self, events: list[Event], document: Mapping[str, object] | None, *, fresh: bool = False
    ) -> None:
        for done, event in enumerate(events):
            attempts = itertools.count(int(not fresh))

            def write(event: Event = event, attempts: Iterator[int] = attempts) -> None:
                self._write(event, document, made=next(attempts) > 0)

            try:
                self.registry.retrying("writing history", write)
            except JenkinsMlflowError as error:
                not_written = len(events) - done
                count = "" if not_written == 1 else f", and of {plural(not_written - 1, 'other change')}"
                self.warn(
                    f"the history of the {event.title}{count} could not be written ({error.message}); "
                    "it stays on the model as a tag, and the next command tries again"
                    + (f"; next: {error.next_step}" if isinstance(error, Refused) else "")
                )
                return
            self._forget(event)

    def _write(self, event: Event, document: Mapping[str, object] | None, *, made: bool) -> None:
        """Write one event as a run: 4 requests, and 2 more with a document.

        Args:
            event: The event.
            document: The command's result.
            made: Whether the run may already exist, so that it is searched for first.
        """
        door = self.registry.connection.door
        run_id = (self._run_of(event) if made else None) or self._records.create(
            event.time, _tags(event), event.title
        )
        door.log(run_id, _params(event), _metrics(event), event.time)
        if document is not None:
            try:
                door.keep_file(run_id, "result.json", json.dumps(document, indent=1, default=str) + "\n")
            except Exception as error:
                if classify(error).connection:
                    raise
        door.finish_run(run_id)

    def _run_of(self, event: Event) -> str | None:
        runs = self._records.find("the history", equals(EVENT_ID, event.id), 2)
        return next((r.run_id for r in runs if not r.deleted and r.tags.get(EVENT_ID) == event.id), None)

    def _forget(self, event: Event) -> None:
        """Remove the tag from the model; an account that may set tags but not remove them leaves an empty one."""
        key = UNWRITTEN_TAG + event.id
        try:
            self.registry.retrying("", lambda: self.registry.untag_model(event.model, key))
        except JenkinsMlflowError as error:
            cause = error.__cause__
            if cause is not None and classify(cause).status == 403:
                try:
                    self.registry.retrying("", lambda: self.registry.tag_model(event.model, key, ""))
                except JenkinsMlflowError:
                    return


def unwritten(models: Iterable[Model]) -> Iterator[Event]:
    """The events that are still on models because they have not been written as runs yet, oldest first. Pure."""
    for model in models:
        for key in sorted(model.tags):
            event = read_event(model.tags[key], "unwritten") if key.startswith(UNWRITTEN_TAG) else None
            if event and event.model == model.name and key == UNWRITTEN_TAG + event.id:
                yield event


def _tags(event: Event) -> dict[str, str]:
    explanation = event.explanation
    return {
        RECORD_TAG: PRODUCTION_CHANGE,
        EVENT_ID: event.id,
        EVENT_MODEL: event.model,
        **pieces_of(event),
        "mlflow.note.content": f"{event.title}{': ' if explanation else ''}{explanation}",
    }


def pieces_of(event: Event) -> dict[str, str]:
    """The event as tags of a run."""
    return pieces(EVENT_PART, json.loads(event.to_json()))


def _params(event: Event) -> dict[str, str]:
    replaced = event.left[0] if event.left else None
    params = {
        "work": event.work,
        "model": event.model,
        "version": str(event.version or ""),
        "replaced": f"{replaced[0]}/{replaced[1]}" if replaced else "",
        "method": event.method,
        "by": event.by,
        "approved_by": event.approved_by,
        "build": event.build,
        "metric": event.metric,
        **{f"gate {name}": rule for name, rule in event.gates.items()},
        "reason": event.reason,
    }
    return {printable(key): value[:500] for key, value in params.items() if value}


def _metrics(event: Event) -> dict[str, float]:
    values = {event.metric: event.value, f"{event.metric} before": event.before}
    return {name: value for name, value in values.items() if event.metric and value is not None}
