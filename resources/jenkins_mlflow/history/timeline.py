"""What the events show: which versions were in production when, for how long, and what was changed outside. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from jenkins_mlflow.history.event import Event, Place, in_order, moment
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.text import argument, printable

Production = dict[str, tuple[Place, ...]]


@dataclass(frozen=True)
class Reign:
    """A version's time in production.

    Attributes:
        place: The version.
        began: The event that started it; None if the version was there before the first known event.
        ended: The event that ended it; None if it still lasts, according to the history.
    """

    place: Place
    began: Event | None
    ended: Event | None

    def overlaps(self, since: int) -> bool:
        """Whether it lasted at least until this time."""
        return self.ended is None or self.ended.time >= since


@dataclass(frozen=True)
class Drift:
    """A model whose production differs from the latest record.

    Attributes:
        model: Its name.
        recorded: The versions in production according to the record.
        live: The versions in production now.
        after: When the record was written; the change outside was made later.
        returns: Whether a rollback can return to the recorded version.
        gone: Whether the model is no longer registered.
        made_anew: The recorded versions whose number a newer version has now: these newer versions.
    """

    model: str
    recorded: tuple[Place, ...]
    live: tuple[Place, ...]
    after: int
    returns: bool = False
    gone: bool = False
    made_anew: tuple[Place, ...] = ()

    def describe(self, target: Target) -> str:
        """Describe in one sentence what happened."""
        added = [place for place in self.live if place not in self.recorded]
        lost = [place for place in self.recorded if place not in self.live]
        mark = " or ".join(
            text for text in (target.stage or "", f"@{target.alias}" if target.alias else "") if text
        )
        since = moment(max([self.after, *(place[2] for place in added)]))
        recorded = f"recorded: {_numbers(self.recorded) or 'nothing'}"
        for _, number, created in self.made_anew:
            recorded += f", which was deleted: the version {number} that exists now was registered at {moment(created)}"
        if self.gone:
            text = "the registered model was deleted or renamed"
        elif added and not lost and self.recorded:
            text = f"{_numbers(added)} was put into {mark} beside it"
        elif added:
            text = f"{_numbers(added)} was put into {mark}"
        else:
            text = f"{_numbers(lost)} was taken out of {mark}, or deleted"
        return printable(f"{self.model}: {text} without this tool, some time after {since}; {recorded}")

    def fixes(self) -> tuple[str, ...]:
        """The commands that settle it: by returning to the recorded version, or by accepting the current one."""
        name = argument(self.model)
        back = (f"jenkins-mlflow rollback --model {name} --recorded",) if self.returns else ()
        return (*back, f"jenkins-mlflow history --model {name} --adopt --reason '...'")


def production_at(events: Sequence[Event], time: int | None = None) -> Production:
    """The versions in production by model, according to the events up to a time (None: all).

    Models that no event names are absent.
    """
    found: Production = {}
    for event in in_order(events):
        if time is not None and event.time > time:
            break
        found |= _after(event)
    return found


def reigns(events: Sequence[Event]) -> list[Reign]:
    """Each version's times in production, in the order in which they began."""
    done: list[Reign] = []
    open_ones: dict[Place, Reign] = {}
    known: set[str] = set()
    for event in in_order(events):
        for model, now in _after(event).items():
            before = [place for place in open_ones if place[0] == model]
            first = model not in known
            if first:  # the versions that it replaced were there before
                known.add(model)
                unknown = [place for place in event.left if place[0] == model and place not in now]
                done += [Reign(place, None, event) for place in unknown]
            # What an event took out, and no earlier one had put in, replaced the recorded version without this tool.
            foreign = any(place[0] == model and place not in (*before, *now) for place in event.left)
            for place in before:
                if place not in now or foreign:
                    done.append(replace(open_ones.pop(place), ended=event))
            for place in now:
                undone = first and event.work == "recovery" and not event.at
                open_ones.setdefault(place, Reign(place, None if undone else event, None))
    every = [*done, *open_ones.values()]
    return sorted(every, key=lambda reign: (reign.began.time if reign.began else 0, reign.place))


def drifts(
    events: Sequence[Event], live: Snapshot, target: Target, gone: Collection[str] = ()
) -> Iterator[Drift]:
    """The models whose production differs from the latest record. Models without a record are left out.

    Args:
        events: All known events.
        live: The models now.
        target: What marks production.
        gone: The names of models that are no longer registered.
    """
    recorded = production_at(events)
    last: Mapping[str, int] = {model: event.time for event in in_order(events) for model in event.models}
    for model in (*live.models, *map(Model, sorted(gone))):
        if model.name in recorded:
            now = tuple(version.identity for version in model.production(target))
            was = recorded[model.name]
            if {*now} != {*was}:
                same_numbers = (v.identity for _, number, _ in was if (v := model.version(number)))
                anew = tuple(place for place in same_numbers if place not in was)
                yield Drift(model.name, was, now, last[model.name], gone=model.name in gone, made_anew=anew)


def _after(event: Event) -> Production:
    """The versions in production after an event, in each model that it is about."""
    return {model: tuple(place for place in event.production if place[0] == model) for model in event.models}


def _numbers(places: Sequence[Place]) -> str:
    return " and ".join(f"version {number}" for _, number, _ in sorted(places))
