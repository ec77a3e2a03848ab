"""What holds whatever goes wrong: random promotions on a registry in memory, broken at random requests.

Each program promotes, rolls back, takes back and recovers, while requests fail before or after they take effect, take
effect late, are refused, or the process is killed or stopped, and while somebody else changes the registry between any
two requests. The promises are checked at each write and at the end of each command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from jenkins_mlflow.errors import ConnectionFailed, Interrupted, JenkinsMlflowError, NotFound, Refused
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.methods.copy import source_of
from jenkins_mlflow.methods.stage import Stage, StageArchive
from jenkins_mlflow.promotion.apply import Begun, Promotion
from jenkins_mlflow.promotion.intent import is_unfinished
from jenkins_mlflow.promotion.outcome import Outcome
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.record import before_tags, tags_over
from jenkins_mlflow.promotion.recovery import Recovery
from jenkins_mlflow.promotion.rollback import plan_return
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import CHECK_TAG, FAILED, PROMOTED_AT, PROMOTED_BY, ROLLED_BACK_AT
from support.memory import Broken, Call, Killed, MemoryRegistry, World, refused
from support.promoting import QUICK

Identity = tuple[str, int, int]
"""Model, number and creation time of a version."""
Mark = tuple[str, int | str]
"""A model and a version's number: its stage; a model and an alias: who has it."""

GROUP = ("a", "b", "c")


@dataclass(frozen=True)
class Hand:
    """What somebody else does."""

    what: str
    model: int
    number: int
    stage: str


@dataclass(frozen=True)
class Command:
    """One command, and what goes wrong: by the number of its request, or for a kind of request throughout."""

    what: str
    model: int
    number: int
    faults: dict[int, str | Hand] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Program:
    """A registry and what is done to it; in a crowded group each model begins with a champion."""

    exclusive: bool
    copies: bool
    marks: str
    methods: tuple[str, ...]
    reuse_numbers: bool
    champions: tuple[int, ...]
    commands: tuple[Command, ...]
    crowded: bool = False

    @property
    def target(self) -> Target:
        stage = None if self.marks == "alias" and not self.copies else "Production"
        alias = None if self.marks == "stage" and not self.copies else "champion"
        return Target(stage, alias, self.exclusive, "p" if self.copies else None)


FAULTS = [
    "killed before",
    "killed after",
    "lost before",
    "lost after",
    "late",
    "stopped before",
    "stopped after",
    "refused",
    "down",
]
KINDS = ["set_stage", "set_alias", "delete_alias", "tag_model", "untag_model", "tag_version", "set_stage b"]

hands = st.builds(
    Hand,
    st.sampled_from(
        ["stage", "stage and archive", "alias", "no alias", "delete", "make", "delete and make again"]
    ),
    st.integers(0, 3),
    st.integers(1, 4),
    st.sampled_from(["Production", "Production", "Archived", "Staging", "None"]),
)
commands = st.builds(
    Command,
    st.sampled_from(["promote", "promote", "promote", "rollback", "check fails", "recover"]),
    st.integers(0, 2),
    st.integers(1, 3),
    st.dictionaries(st.integers(0, 14), st.sampled_from(FAULTS) | hands, max_size=3),
    st.sets(st.sampled_from(KINDS), max_size=1).map(frozenset),
)
programs = st.builds(
    Program,
    st.booleans(),
    st.sampled_from([False, False, True]),
    st.sampled_from(["both", "both", "stage", "alias"]),
    st.sampled_from([("stage-archive", "stage"), ("stage",), ("stage-archive",)]),
    st.booleans(),
    st.tuples(*[st.integers(0, 2)] * 4),
    st.lists(commands, min_size=1, max_size=4).map(tuple),
    st.booleans(),
)


@dataclass
class Trial:
    """Runs a program and watches every write."""

    program: Program
    world: World = field(init=False)
    registry: MemoryRegistry = field(init=False)
    log: list[str] = field(default_factory=list)
    faults: dict[int, str | Hand] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    count: int = 0
    down: bool = False
    late: list[Callable[[], None]] = field(default_factory=list)
    model: str = "a"
    was_empty: bool = True
    known: set[Identity] = field(default_factory=set)
    source: str = ""
    choices: dict[Mark, bool] = field(default_factory=dict)
    """What somebody else put into production since the plan; whether this process has read it since."""
    swept: list[Mark] = field(default_factory=list)
    hands: int = 0
    """How often somebody else acted since the plan."""
    excused: bool = False
    """Whether somebody else ever acted, or a version has no promotion record: recovery may then ask a person."""
    unread: set[str] = field(default_factory=set)
    """What somebody else acted on since it was read: no client can know of that before its next write."""
    lates: int = 0
    last: set[Identity] = field(default_factory=set)
    """What was in production at the last read."""

    def __post_init__(self) -> None:
        self.world = World(reuse_numbers=self.program.reuse_numbers)
        self.registry = MemoryRegistry(self.world, self.send, self.look, self.target)
        taken = False
        for name, champion in zip((*GROUP, "p"), self.program.champions, strict=True):
            if name == "p" and not self.program.copies:
                continue
            self.world.make_model(name)
            for _ in range(3):
                self.world.make_version(name)
            production = name == "p" if self.program.copies else True
            if (
                not champion
                or not production
                or (self.program.exclusive and taken and not self.program.crowded)
            ):
                continue
            taken = True
            target = self.target
            if target.stage and name != target.copy_to:
                self.world.set_stage(name, champion, target.stage)
            if target.alias:
                self.world.set_alias(name, target.alias, champion)
            self.world.tag_version(name, champion, PROMOTED_AT, "before")

    # --- what is seen

    @property
    def target(self) -> Target:
        return self.program.target

    @property
    def group(self) -> tuple[str, ...]:
        return GROUP if self.program.exclusive else ()

    def serving(self) -> set[Identity]:
        """What is in production where one champion is allowed."""
        names = [*self.group, "p"] if self.program.exclusive else [self.model]
        models = [model for name in names if (model := self.world.read(name))]
        return {v.identity for model in models for v in model.production(self.target)}

    def marks(self) -> dict[Mark, tuple[object, Identity | None]]:
        """Every mark of production: its value, and the version that it is about."""
        found: dict[Mark, tuple[object, Identity | None]] = {}
        for name in self.world.models:
            model = self.world.read(name)
            assert model is not None
            for version in model.versions:
                found[name, version.number] = (version.stage, version.identity)
            if self.target.alias:
                number = model.aliases.get(self.target.alias)
                holder = model.version(number) if number else None
                found[name, self.target.alias] = (number, holder.identity if holder else None)
        return found

    def unfinished(self) -> list[str]:
        return [name for name in self.world.models if is_unfinished(self.read(name))]

    def read(self, name: str) -> Model:
        model = self.world.read(name)
        assert model is not None
        return model

    # --- what goes wrong

    def look(self, names: Sequence[str]) -> None:
        fault = self.next()
        if fault in ("killed before", "killed after"):
            raise Killed
        if fault in ("stopped before", "stopped after"):
            raise Interrupted("stopped", signal_number=15)
        if self.down:
            raise ConnectionFailed("reading: connection refused")
        self.choices = {mark: seen or mark[0] in names for mark, seen in self.choices.items()}
        self.unread -= set(names)
        self.last = self.serving()

    def send(self, call: Call, effect: Callable[[], None]) -> None:
        fault = self.next()
        self.log.append(f"{call} {fault or ''}")
        self.excused |= call[0] == "tag_version" and bool(fault or self.down or call[0] in self.refused)
        if fault == "killed before":
            raise Killed
        if fault == "stopped before":
            raise Interrupted("stopped", signal_number=15)
        if self.down:
            raise requests.exceptions.ConnectionError("connection refused")
        if fault == "refused" or call[0] in self.refused or " ".join(call) in self.refused:
            raise refused()
        if fault == "lost before":
            raise requests.exceptions.ConnectionError("reset")
        if fault == "late":
            self.lates += 1
            self.late.append(effect)
            raise requests.exceptions.ConnectionError("reset")
        self.write(effect)
        if fault == "killed after":
            raise Killed
        if fault == "stopped after":
            raise Interrupted("stopped", signal_number=15)
        if fault == "lost after":
            raise requests.exceptions.ConnectionError("reset")

    def next(self) -> str:
        fault = self.faults.get(self.count, "")
        self.count += 1
        if fault == "down":
            self.down = True
        if isinstance(fault, Hand):
            self.foreign(fault)
            return ""
        return fault

    def foreign(self, hand: Hand) -> None:
        before = self.marks()
        self.log.append(f"  somebody else: {hand}")
        name = (*GROUP, "p")[hand.model]
        if name not in self.world.models:
            return
        self.act(hand, name)
        self.hands += 1
        self.excused = True
        self.unread.add(name)
        serving = self.serving()
        for mark, (value, version) in self.marks().items():
            if before.get(mark) != (value, version):
                self.choices.pop(mark, None)
                ours = version in self.known or self.is_copy(version)
                if version in serving and not ours and self.is_production(mark, value):
                    self.choices[mark] = False

    def act(self, hand: Hand, name: str) -> None:
        made = self.world.models[name].versions
        if hand.what == "make":
            self.world.make_version(name)
        elif hand.what == "no alias":
            self.world.delete_alias(name, "champion")
        elif hand.number not in made:
            return
        elif hand.what == "stage":
            self.world.set_stage(name, hand.number, hand.stage)
        elif hand.what == "stage and archive":
            self.world.set_stage(name, hand.number, "Production", archive_existing=True)
        elif hand.what == "alias":
            self.world.set_alias(name, "champion", hand.number)
        else:
            self.world.delete_version(name, hand.number)
            if hand.what == "delete and make again":
                self.world.make_version(name)

    def is_copy(self, version: Identity | None) -> bool:
        """Whether it is the copy that goes into production: putting it there is no other choice."""
        found = self.read(version[0]).version(version[1]) if version else None
        return self.program.copies and found is not None and found.source == self.source

    def is_production(self, mark: Mark, value: object) -> bool:
        return value == self.target.stage if isinstance(mark[1], int) else value is not None

    def write(self, effect: Callable[[], None]) -> None:
        """Let one of our writes take effect, and hold it to the promises."""
        before, serving = self.marks(), self.serving()
        effect()
        after, now = self.marks(), self.serving()
        if serving and not now and not self.was_empty and not self.unread:
            raise Broken(f"left without production, was {serving}")
        for mark, (value, version) in after.items():
            if before.get(mark) == (value, version):
                continue
            if self.choices.get(mark):
                raise Broken(f"overwrote what somebody else chose: {mark}")
            if mark in self.choices:
                self.swept.append(mark)
                del self.choices[mark]
            if isinstance(mark[1], int) and value == self.target.stage:
                beside = [
                    other
                    for other, seen in self.choices.items()
                    if seen and isinstance(other[1], int) and after[other][1] in now
                ]
                if beside:
                    raise Broken(f"put {mark} into production beside {beside}, which somebody else chose")

    def land(self) -> None:
        """What is late takes effect now."""
        before = self.marks()
        for effect in self.late:
            try:
                effect()
            except Exception as gone:  # noqa: BLE001  what it was about was deleted
                self.log.append(f"  late: {gone}")
        self.late = []
        after = self.marks()
        self.choices = {mark: seen for mark, seen in self.choices.items() if after.get(mark) == before[mark]}

    # --- what is run

    def methods(self) -> list[Method]:
        made: dict[str, Method] = {
            "stage-archive": StageArchive(self.registry),
            "stage": Stage(self.registry),
        }
        return [made[name] for name in (("stage",) if self.program.copies else self.program.methods)]

    def writer(self) -> Writer:
        return Writer(QUICK, sleep=lambda seconds: None)

    def recover(self, name: str) -> bool:
        """Whether something was recovered; a second look finds nothing then."""
        self.model = name if not self.program.copies or name == "p" else self.model
        recovery = Recovery(
            self.registry, self.methods(), self.writer(), self.target, self.group, by="ann", url="u"
        )
        done = recovery.run(name)
        if done is None:
            return False
        self.log.append(f"  {done.message}")
        assert name not in self.unfinished(), "recovered, and the intent is left"
        return True

    def plan(self, command: Command, number: int) -> tuple[Plan, dict[str, str], Begun]:
        name = GROUP[command.model if self.program.exclusive else 0]
        snapshot = self.registry.snapshot([*GROUP, "p"] if self.program.exclusive else [name, "p"])
        at = f"t{number}"
        if command.what == "rollback":
            return_plan = plan_return(snapshot, "p" if self.program.copies else name, None, self.target)
            plan = plan_promotion(snapshot, return_plan.model, return_plan.number, self.target)
            tags = {ROLLED_BACK_AT: at, **before_tags(return_plan.before)}
            begun = Begun("rollback", at, "ann")
        else:
            plan = plan_promotion(snapshot, name, command.number, self.target)
            tags = {PROMOTED_AT: at, PROMOTED_BY: "ann", **tags_over(plan.replaces)}
            begun = Begun("promotion", at, "ann")
        return plan, tags, begun

    def promote(self, command: Command, number: int) -> None:
        for name in self.unfinished():
            self.recover(name)
        plan, tags, begun = self.plan(command, number)
        self.model, self.source = plan.table.model, source_of(plan.candidate)
        found = self.serving()
        self.was_empty = not found
        promoted = (plan.table.model, plan.table.number)
        self.known = found | {i for _, i in self.marks().values() if i and i[:2] == promoted}
        self.choices, self.swept, self.hands, self.lates = {}, [], 0, 0
        promotion = Promotion(self.registry, plan, self.methods(), self.writer(), group=self.group)
        outcome = promotion.apply(tags, begun)
        self.log.append(f"  {outcome.status}: {outcome.message} {outcome.warnings}")
        self.judge(plan, outcome, found)
        if command.what == "check fails" and outcome.status == "promoted":
            table = outcome.table
            with suppress(Exception):  # the command warns of it
                self.registry.tag_version(table.model, table.number, {CHECK_TAG: FAILED})
            promotion = Promotion(self.registry, plan, self.methods(), self.writer(), group=self.group)
            undone = promotion.take_back(Begun("promotion", by="ann"), table)
            self.log.append(f"  taken back: {undone}")
            if not undone.failed and not undone.kept and not self.hands and not self.lates:
                assert self.serving() == found, "taken back"

    def judge(self, plan: Plan, outcome: Outcome, found: set[Identity]) -> None:
        """Hold a promotion that came to an end to the promises."""
        unfinished = plan.table.model in self.unfinished()
        assert not unfinished or outcome.warnings, "an intent is left, and nobody is told"
        if outcome.status == "promoted":
            new = {
                identity for identity in self.last if identity[:2] == (plan.table.model, outcome.table.number)
            }
            assert len(new) == 1 == len(self.last), f"promoted, though the last look shows {self.last}"
            assert not any(isinstance(mark[1], int) for mark in self.swept), (
                "archived what somebody else chose"
            )
        elif (
            outcome.status in ("manual", "overtaken") and not unfinished and not self.hands and not self.lates
        ):
            assert self.serving() == found, "not promoted, and not as before"
        if outcome.status != "partial" and not unfinished and not self.hands and not self.lates:
            assert len(self.serving()) <= max(1, len(found)), "several in production by our own doing"

    def run(self) -> None:
        for number, command in enumerate(self.program.commands):
            self.faults, self.refused = dict(command.faults), command.refused
            self.count, self.down = 0, False
            self.log.append(f"{command}")
            try:
                if command.what == "recover":
                    for name in self.unfinished():
                        self.recover(name)
                else:
                    self.promote(command, number)
            except (Refused, NotFound) as no:
                self.log.append(f"  {no.message}")
            except (JenkinsMlflowError, Killed, Interrupted) as stopped:
                self.log.append(f"  {type(stopped).__name__} {stopped}")
            self.faults, self.refused, self.down = {}, frozenset(), False
            self.land()
        self.settle()

    def settle(self) -> None:
        """Nothing goes wrong any more: one recovery is enough, and what it cannot do it tells."""
        self.log.append("settle")
        for name in self.unfinished():
            try:
                self.recover(name)
            except JenkinsMlflowError as refusal:
                self.log.append(f"  {refusal.message}")
                assert self.excused, "recovery has to be able to mend what we did alone"
        assert self.excused or self.unfinished() == []
        done, writes = [name for name in self.world.models if name not in self.unfinished()], len(self.log)
        assert not any(self.recover(name) for name in done), "a second recovery finds nothing"
        assert len(self.log) == writes, "and changes nothing"


PLAIN = Program(False, False, "both", ("stage-archive", "stage"), False, (1, 0, 0, 0), ())
EXCLUSIVE = replace(PLAIN, exclusive=True, champions=(0, 1, 0, 0))
COPY = replace(PLAIN, copies=True, champions=(0, 0, 0, 0))


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            replace(
                EXCLUSIVE,
                methods=("stage",),
                champions=(2, 0, 0, 0),
                commands=(Command("promote", 1, 1, {9: Hand("stage", 1, 2, "Production")}),),
            ),
            id="undoing does not put another model's version beside what somebody else chose in this one",
        ),
        pytest.param(
            replace(EXCLUSIVE, commands=(Command("promote", 2, 1, {7: Hand("delete", 2, 1, "")}),)),
            id="no other model leaves production for a version that somebody else has deleted",
        ),
        pytest.param(
            replace(COPY, commands=(Command("promote", 0, 2, {4: Hand("alias", 3, 3, "")}),)),
            id="what somebody else chose while the copy was made stays",
        ),
        pytest.param(
            replace(
                COPY,
                commands=(
                    Command("check fails", 0, 3, {7: Hand("stage", 3, 4, "Production")}),
                    Command("promote", 0, 2),
                ),
            ),
            id="a copy has its alias before what was in the stage leaves it",
        ),
        pytest.param(
            replace(
                PLAIN,
                methods=("stage",),
                commands=(
                    Command(
                        "promote", 0, 3, {5: Hand("stage and archive", 0, 3, "")}, frozenset(["set_stage"])
                    ),
                ),
            ),
            id="an intent that is left with the alias alone is told",
        ),
    ],
)
def test_a_promise_that_was_broken(program: Program) -> None:
    """Programs that were red: each stands for its class."""
    Trial(program).run()


@pytest.mark.parametrize(
    "hand",
    [
        pytest.param(Hand("alias", 0, 3, ""), id="the alias elsewhere"),
        pytest.param(Hand("stage", 1, 1, "Production"), id="another model back"),
        pytest.param(Hand("stage", 2, 1, "Production"), id="a new one"),
        pytest.param(Hand("stage", 0, 3, "Production"), id="another version"),
    ],
)
def test_promoted_is_said_only_if_the_last_look_shows_it(hand: Hand) -> None:
    """Whenever somebody else acts until the last look, the record being written; what happens after it is not known."""
    said = ""
    for at in range(30):
        trial = Trial(replace(EXCLUSIVE, commands=(Command("promote", 0, 2, {at: hand}),)))
        trial.run()
        said += "p" if any(line.startswith("  promoted:") for line in trial.log) else "-"
    assert said.rstrip("p").endswith("------")
    assert said.endswith("p")


def test_a_group_of_champions_stays_when_the_promoted_version_is_deleted() -> None:
    """Whenever that happens before it is in production: what one method has archived is put back."""
    group = replace(EXCLUSIVE, champions=(1, 1, 1, 0), crowded=True)
    for at in range(12):
        trial = Trial(replace(group, commands=(Command("promote", 0, 2, {at: Hand("delete", 0, 2, "")}),)))
        trial.run()
        if not any(line.startswith("  promoted:") for line in trial.log):
            serving = {name: trial.read(name).production(trial.target) for name in GROUP}
            assert all(len(versions) == 1 for versions in serving.values()), (at, serving, trial.log)


@pytest.mark.parametrize("lost", ["lost before", "lost after"])
@pytest.mark.parametrize("start", [PLAIN, EXCLUSIVE], ids=["plain", "exclusive"])
def test_a_retry_takes_nothing_away_from_somebody_else(start: Program, lost: str) -> None:
    """The answer about a stage is lost, and by the time of the retry a person has promoted version 3: it stays."""
    hand, met = Hand("stage", 0, 3, "Production"), 0
    for at in range(20):
        trial = Trial(replace(start, commands=(Command("promote", 0, 2, {at: lost, at + 1: hand}),)))
        trial.run()
        if any(line.startswith("('set_stage'") and lost in line for line in trial.log):
            stages = {version.number: version.stage for version in trial.read("a").versions}
            assert stages[3] == "Production", trial.log
            met += 1
    assert met


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(programs)
def test_the_promises_hold(program: Program) -> None:
    trial = Trial(program)
    try:
        trial.run()
    except BaseException:
        print("\n".join(trial.log))
        raise
