"""What holds whatever trainings do: random scripts that promote, two builds at once, other hands, failing writes.

Builds begin, register versions, change production by themselves, and end by putting it back; in between, people and
recorded promotions change it too. The promises are checked at each write of putting back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings, strategies as st
from jenkins_mlflow.commands.put_back import put_back
from jenkins_mlflow.promotion.record import next_time
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import BUILD_TAG, OUTCOME_TAG, PRODUCTION_BEFORE, PROMOTED_AT
from jenkins_mlflow.training.marks import decoded, encode, marks
from jenkins_mlflow.training.self_promotion import self_promotions
from support.memory import Broken, Call, Killed, MemoryRegistry, World, refused
from support.promoting import QUICK

GROUP = ("a", "b")
Place = tuple[str, int]
Mark = tuple[str, str, int]
"""A model, ``stage`` or ``alias``, and the version that has it."""
Served = dict[tuple[str, ...], frozenset[Mark]]
"""The marks of production, by models that share one champion."""


@dataclass(frozen=True)
class Event:
    """What happens next.

    ``build`` is None for people and promotions. ``faults``: what happens to requests of an ``end``, by number.
    """

    what: str
    build: int | None = None
    model: int = 0
    number: int = 1
    faults: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Program:
    """A group of two models, each of whose first version may be in production, and what happens to it."""

    exclusive: bool
    marks: str
    champions: tuple[bool, bool]
    events: tuple[Event, ...]

    @property
    def target(self) -> Target:
        stage = None if self.marks == "alias" else "Production"
        alias = None if self.marks == "stage" else "champion"
        return Target(stage, alias, self.exclusive)


SCRIPT = ["stage", "stage and archive", "alias", "both", "both", "no alias", "archive 1", "delete 1"]
FAULTS = [
    "killed before",
    "killed after",
    "lost before",
    "lost after",
    "refused",
    "refused",
    "person",
    "person",
]

scripts = st.builds(Event, st.sampled_from(SCRIPT), st.integers(0, 1), st.integers(0, 1))
others = st.builds(
    Event, st.sampled_from(["promote", "person", "delete"]), st.none(), st.integers(0, 1), st.integers(1, 4)
)
ends = st.builds(
    Event,
    st.just("end"),
    st.integers(0, 1),
    faults=st.dictionaries(st.integers(1, 8), st.sampled_from(FAULTS), max_size=1).map(
        lambda d: tuple(d.items())
    ),
)
begins = st.builds(Event, st.just("begin"), st.integers(0, 1))
programs = st.builds(
    Program,
    st.booleans(),
    st.sampled_from(["both", "both", "stage", "alias"]),
    st.sampled_from([(True, False), (True, False), (True, True), (False, False)]),
    st.lists(st.one_of(scripts, scripts, scripts, begins, ends, ends, others), min_size=2, max_size=8).map(
        tuple
    ),
)


@dataclass
class Training:
    """A build at work: what it saw when it began, what served then and was promoted since, and what it made."""

    build: str
    before: Any
    tag: str
    began: Served
    known: Served
    made: list[Place] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


@dataclass
class Trial:
    """Runs a program and watches every write of putting back."""

    program: Program
    world: World = field(default_factory=World)
    registry: MemoryRegistry = field(init=False)
    log: list[str] = field(default_factory=list)
    trainings: dict[int, Training] = field(default_factory=dict)
    trusted: set[Place] = field(default_factory=set)
    """What a gate or a person has put into production, or was registered by no training."""
    left: set[Place] = field(default_factory=set)
    """What a build that was stopped or refused has left in production: its log says so, and a person decides."""
    proper: Served = field(default_factory=dict)
    """What a gate or a person put into production last."""
    faults: dict[int, str] = field(default_factory=dict)
    count: int = 0
    builds: int = 0
    quiet: bool = True
    """Whether nobody deleted anything, and no person changed production while a training was at work."""
    known: Served = field(default_factory=dict)
    """What the training that is putting back can know of: what served when it began, or was promoted since."""

    def __post_init__(self) -> None:
        self.registry = MemoryRegistry(self.world, self.send, self.look, self.target)
        for name in GROUP:
            self.world.make_model(name)
        for name, champion in zip(GROUP, self.program.champions, strict=True):
            number = self.world.make_version(name)
            self.trusted.add((name, number))
            if champion and not (self.program.exclusive and self.serving(GROUP)):
                self.takes_over(name, number)
        self.proper = {unit: self.serving(unit) for unit in self.units}

    @property
    def target(self) -> Target:
        return self.program.target

    @property
    def units(self) -> list[tuple[str, ...]]:
        return [GROUP] if self.program.exclusive else [(name,) for name in GROUP]

    @property
    def at_work(self) -> set[Place]:
        return {place for training in self.trainings.values() for place in training.made}

    def unit(self, name: str) -> tuple[str, ...]:
        return GROUP if self.program.exclusive else (name,)

    def read(self, name: str) -> Model:
        model = self.world.read(name)
        assert model is not None
        return model

    def serving(self, unit: Sequence[str] = GROUP) -> frozenset[Mark]:
        found: set[Mark] = set()
        for name in unit:
            model = self.read(name)
            found |= {(name, "stage", version.number) for version in model.staged(self.target.stage)}
            holder = model.aliases.get("champion") if self.target.alias else None
            found |= {(name, "alias", holder)} if holder else set()
        return frozenset(found)

    def takes_over(self, name: str, number: int) -> None:
        """What a careful person does, and a promotion: this version alone is in production."""
        for other in self.unit(name):
            for version in self.read(other).staged(self.target.stage):
                self.world.set_stage(other, version.number, "Archived")
            if self.target.alias and other != name:
                self.world.delete_alias(other, "champion")
        if self.target.stage:
            self.world.set_stage(name, number, "Production")
        if self.target.alias:
            self.world.set_alias(name, "champion", number)
        self.trusted.add((name, number))
        self.proper[self.unit(name)] = self.serving(self.unit(name))

    # --- putting back, with what goes wrong

    def look(self, names: Sequence[str]) -> None:
        """A person takes over before something is read; what happens between that and the write nobody can see."""
        if self.faults.get(self.count, "") == "person" and names:
            self.log.append("    a person")
            self.quiet = False
            self.takes_over(names[0], self.world.make_version(names[0]))
        self.count += 1

    def send(self, call: Call, effect: Callable[[], None]) -> None:
        fault = self.faults.get(self.count, "")
        self.count += 1
        self.log.append(f"    {call} {fault}")
        if fault == "killed before":
            raise Killed
        if fault == "refused":
            raise refused()
        if fault == "lost before":
            raise requests.exceptions.ConnectionError("reset")
        self.write(effect)
        if fault == "killed after":
            raise Killed
        if fault == "lost after":
            raise requests.exceptions.ConnectionError("reset")

    def write(self, effect: Callable[[], None]) -> None:
        """Let one write take effect, and hold it to the promises."""
        before = self.serving()
        effect()
        after = self.serving()
        for unit, mark in itertools.product(self.units, ("stage", "alias")):
            was, now, known = (
                {(name, number) for name, kind, number in marks if kind == mark and name in unit}
                for marks in (before, after, self.known[unit])
            )
            if was and not now and known:
                raise Broken(f"who loads by the {mark} of {unit} finds nothing, found {was} before")
        for name, mark, number in before - after:
            if (name, number) in self.trusted:
                raise Broken(f"took {mark} from {name} v{number}, which was chosen")
        for name, mark, number in after - before:
            if (name, number) not in self.trusted | self.left:
                raise Broken(f"gave {mark} to {name} v{number}, which passed no gate")

    def session(self) -> Any:
        @contextmanager
        def lock(*_: object) -> Iterator[Any]:
            yield SimpleNamespace(confirm=lambda: None)

        self.registry.under = lambda _: self.registry  # type: ignore[method-assign, assignment]
        return SimpleNamespace(
            lock=lock,
            scope=SimpleNamespace(locked_with=tuple),
            writer=lambda: Writer(QUICK, sleep=lambda seconds: None),
            target=self.target,
            warn=lambda text: self.log.append(f"    {text}"),
        )

    # --- events

    def run(self) -> None:
        for event in self.program.events:
            self.log.append(str(event))
            if event.build is None:
                self.elsewhere(event)
            elif event.what == "end":
                self.end(event.build, dict(event.faults))
            else:
                self.begin(event.build)
                if event.what != "begin":
                    self.script(self.trainings[event.build], event)
        for build in list(self.trainings):
            self.log.append(f"the end of {build}")
            self.end(build, {})
        for unit in self.units:
            if self.quiet:
                assert self.serving(unit) == self.proper[unit], "production is as it was chosen last"

    def begin(self, build: int) -> None:
        if build in self.trainings:
            return
        self.builds += 1
        before = self.registry.snapshot(GROUP, with_runs=True)
        tag = encode(marks(before, self.target, 0))
        proper = dict(self.proper)
        self.trainings[build] = Training(f"build-{self.builds}", before, tag, proper, dict(proper))

    def script(self, training: Training, event: Event) -> None:
        """The script registers a version and does something with it, or with version 1."""
        name = GROUP[event.model]
        run_id = f"run-of-{training.build}-{len(training.runs)}"
        training.runs.append(run_id)
        tags = {BUILD_TAG: training.build, PRODUCTION_BEFORE: training.tag}
        self.world.make_run(run_id, tags)
        number = self.world.make_version(name, run_id=run_id)
        training.made.append((name, number))
        if event.what in ("stage", "stage and archive", "both"):
            self.world.set_stage(name, number, "Production", archive_existing=event.what != "stage")
        if event.what in ("alias", "both"):
            self.world.set_alias(name, "champion", number)
        if event.what == "no alias":
            self.world.delete_alias(name, "champion")
        if self.read(name).version(1):
            if event.what == "archive 1":
                self.world.set_stage(name, 1, "Archived")
            if event.what == "delete 1":
                self.delete(name, 1)
        if event.what in ("no alias", "archive 1"):
            self.quiet = (
                False  # a script that only takes a version out is not noticed: a person may have done so
            )
            unit = self.unit(name)
            self.proper[unit] &= self.serving(unit)

    def elsewhere(self, event: Event) -> None:
        name = GROUP[event.model]
        version = self.read(name).version(event.number)
        if version is None:
            return
        if event.what == "delete":
            self.delete(name, event.number)
            return
        if event.what == "person" and (name, event.number) in self.at_work:
            return  # the same as its script doing so
        self.takes_over(name, event.number)
        if event.what == "promote":
            self.world.tag_version(
                name, event.number, PROMOTED_AT, next_time(self.registry.snapshot(GROUP).versions())
            )
            for training in self.trainings.values():
                training.known[self.unit(name)] = self.proper[self.unit(name)]
        elif self.trainings:
            self.quiet = False  # a script that writes over that leaves no trace of it

    def delete(self, name: str, number: int) -> None:
        """With a version goes the only trace of its promotion since a training began."""
        self.quiet = False
        gone = frozenset({(name, "stage", number), (name, "alias", number)})
        self.proper = {unit: places - gone for unit, places in self.proper.items()}
        for training in self.trainings.values():
            for unit in self.units:
                if training.known[unit] != training.began[unit]:
                    training.known[unit] -= gone
        self.world.delete_version(name, number)
        if (name, number) not in self.trusted:  # nobody can know any more what its script took out
            self.proper[self.unit(name)] &= self.serving(self.unit(name))

    def end(self, build: int, faults: dict[int, str]) -> None:
        training = self.trainings.get(build)
        if training is None:
            return
        self.known = training.known
        for run_id in training.runs:
            self.world.tag_run(run_id, OUTCOME_TAG, "ok")
        after = self.registry.snapshot(GROUP)
        earlier = list(decoded([training.tag]))
        found = self_promotions(training.before, earlier, after, self.target, training.runs, 0)
        done = None
        self.faults, self.count = faults, 0
        with suppress(Killed):
            done = put_back(self.session(), self.registry, found)
        self.faults = {}
        if not faults:
            del self.trainings[build]
            if done is not None and all(one.done for one in done):
                left = {(name, number) for name, _, number in self.serving()} & set(training.made)
                assert left <= self.trusted, f"{left} passed no gate, and nobody is told"
        if done is None or not all(one.done for one in done):
            self.quiet = False
            self.left |= set(training.made)


ONE = Program(exclusive=False, marks="both", champions=(True, False), events=())


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(
            [Event("both", 0), Event("end", 0, faults=((2, "refused"),))],
            id="what may not go back in leaves what serves",
        ),
        pytest.param(
            [Event("both", 0), Event("end", 0, faults=((5, "person"),))],
            id="a person chooses between two writes",
        ),
        pytest.param(
            [Event("both", 0), Event("both", 1), Event("end", 1), Event("end", 0)],
            id="the second build ends first",
        ),
        pytest.param(
            [Event("both", 0), Event("both", 1), Event("end", 0), Event("end", 1)],
            id="the first build ends first",
        ),
        pytest.param(
            [Event("stage", 0, 0), Event("promote", None, 0, 2), Event("both", 0), Event("both", 1)],
            id="a promotion between the two",
        ),
    ],
)
def test_trainings_never_hurt_production(events: list[Event]) -> None:
    hold(replace(ONE, events=tuple(events)))


def test_an_alias_that_was_in_use_is_never_left_to_nobody() -> None:
    """In a group where one build has put v2 beside v1 into the stage, and another one has moved the alias."""
    events = (Event("begin", 0), Event("stage", 1, 0), Event("alias", 0, 1), Event("no alias", 0, 0))
    hold(replace(ONE, exclusive=True, events=events))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(programs)
def test_no_program_hurts_production(program: Program) -> None:
    hold(program)


def hold(program: Program) -> None:
    """Run a program; a broken promise says what happened before."""
    trial = Trial(program)
    try:
        trial.run()
    except (Broken, AssertionError) as broken:
        pytest.fail(f"{broken}\n{program}\n" + "\n".join(trial.log))
