"""The request for a cleanup, and the plan that follows from it, the config and the registry."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jenkins_mlflow.cleanup.pace import Pace
from jenkins_mlflow.cleanup.plan import CleanupPlan, is_covered, plan_cleanup
from jenkins_mlflow.cleanup.promotions import whole_world
from jenkins_mlflow.cleanup.protection import Protection
from jenkins_mlflow.commands.group import nearest, require_model
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.runs import RunsOf
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.unfit import telling_tags
from jenkins_mlflow.text import argument, listed, plural, printable
from jenkins_mlflow.times import shown


@dataclass(frozen=True)
class Wish:
    """The request for a cleanup.

    Attributes:
        model: Only this model of the registry; None for the whole group.
        plan_only: Change nothing.
        yes: Do not ask.
        ask: Ask even without a terminal: the answer may be piped.
        allow_remove_all: Allow an empty policy, and one that keeps nothing of the named model.
        write: Write the plan to this file, and change nothing.
        read: Carry out the plan in this file, and nothing else.
        at: The time from which ages are counted, in seconds since the epoch; None for now.
        count_bytes: Whether to measure the files to be deleted, if that is shown or they are freed.
        shaping: The other given options that shape a plan, such as --keep-last.
        pace: The pace of the deletions.
    """

    model: str | None = None
    plan_only: bool = False
    yes: bool = False
    ask: bool = False
    allow_remove_all: bool = False
    write: Path | None = None
    read: Path | None = None
    at: float | None = None
    count_bytes: bool = True
    shaping: tuple[str, ...] = ()
    pace: Pace = field(default_factory=Pace)

    @property
    def looks_only(self) -> bool:
        return self.plan_only or self.write is not None

    def check(self) -> None:
        """Refuse options that cannot be combined.

        Raises:
            UsageError: With what to do instead.
        """
        others = {"--model": self.model, "--plan": self.write, "--at": self.at is not None}
        shaping = [option for option, given in others.items() if given] + list(self.shaping)
        if self.read and shaping:
            raise UsageError(
                f"--apply cannot be combined with {listed(shaping, 9)}: the plan is carried out as it stands",
                next_step="omit them, or write another plan",
            )
        if self.at is not None and not self.looks_only:
            raise UsageError(
                "--at needs --dry-run or --plan",
                next_step="write a plan with --plan, review it, carry it out with --apply",
            )

    def refuse_the_future(self, now: float) -> None:
        """Refuse to write a plan with ages from the future, which would delete versions that are too young today.

        Raises:
            UsageError: ``at`` is later than ``now``.
        """
        if self.write and self.at is not None and self.at > now:
            raise UsageError(
                f"--at {shown(self.at * 1000, '%Y-%m-%dT%H:%M:%S')} is in the future: a plan with these ages would "
                "delete versions that the policy still keeps",
                state="nothing was written or deleted",
                next_step="give --dry-run to see what a cleanup will delete then, or omit --at",
            )


def planned_cleanup(session: Session, registry: Registry, wish: Wish, now: float) -> CleanupPlan:
    """The plan for one model, or for the group except models that are better left alone.

    Raises:
        Refused: The named model is excluded from cleanups.
    """
    rules, model = session.config.cleanup, wish.model
    if model and not is_covered(model, rules):
        raise Refused(
            f"{printable(model)} is excluded from cleanups by cleanup.include or cleanup.exclude",
            state="nothing was deleted",
            next_step="change the config, or choose another model",
        )
    if rules.min_age:
        session.warn("cleanup.min_age has a new name: write keep_within instead")
    patterns = [model] if model else session.scope.models
    everything = settled(
        session,
        registry,
        session.scope.with_production(patterns),
        Purpose.LOOK if wish.looks_only else Purpose.CHANGE,
        with_runs=RunsOf.every_version(tags=telling_tags),
    )
    # The production model of copies is not part of the group: its promotions are settled, its versions stay.
    snapshot = Snapshot(tuple(found for found in everything.models if matches(found.name, patterns)))
    _warn_of_mistyped(session, registry, snapshot)
    protection = Protection(rules.protect, session.target, rules.rollback_depth, now)
    world = snapshot if "*" in patterns else whole_world(registry, snapshot, protection)

    def planned(rules: Cleanup) -> CleanupPlan:
        return plan_cleanup(
            Snapshot((require_model(registry, snapshot, model),)) if model else snapshot,
            world,
            rules,
            session.target,
            now=now if wish.at is None else wish.at,
            select=session.config.select,
            allow_remove_all=wish.allow_remove_all,
        )

    plan = planned(rules)
    if plan.alone and not model:  # one of many models must not fail a nightly job
        for name, objection in plan.alone.items():
            first = f"correct {objection.correct}; " if objection.correct else ""
            session.warn(
                f"{name} is left alone: it {objection.why}; {first}"
                f"`jenkins-mlflow cleanup --allow-remove-all --model {argument(name)}` deletes what no rule keeps"
            )
        plan = planned(rules.model_copy(update={"exclude": (*rules.exclude, *plan.alone)}))
    _warn_of_unknown(session, plan)
    return plan


def _warn_of_unknown(session: Session, plan: CleanupPlan) -> None:
    """Warn of the versions that stay because a metric is unknown, which would otherwise stay unnoticed for ever."""
    if not plan.unknown:
        return
    names = list(dict.fromkeys(item.version.model for item in plan.unknown))
    are = "is" if len(plan.unknown) == 1 else "are"
    session.warn(
        f"{plural(len(plan.unknown), 'version')} of {listed(names, 3)} {are} kept because a metric that "
        "the policy needs is unknown: this account may not read the runs, or they were deleted for good; give the "
        "account READ on the experiments of the runs; if the runs are gone, "
        f"`jenkins-mlflow cleanup --allow-remove-all --model {argument(names[0])}` deletes what no rule keeps, "
        "and counts an unknown metric as missing"
    )


def _warn_of_mistyped(session: Session, registry: Registry, group: Snapshot) -> None:
    """Warn of each pattern that is to save versions and matches no model; 1 request if one is not in the group."""
    rules = session.config.cleanup
    wanted = {"cleanup.exclude": rules.exclude, "cleanup.overrides": tuple(rules.overrides)}
    known = [model.name for model in group.models]
    for key, patterns in wanted.items():
        for pattern in patterns:
            if any(matches(name, (pattern,)) for name in known):
                continue
            known = registry.names()
            if not any(matches(name, (pattern,)) for name in known):
                text = f'{key}: "{printable(pattern)}" matches no registered model; {nearest(pattern, known)}'
                session.warn(text)


def refusal(plan: CleanupPlan, model: str | None) -> Refused:
    """The error for a plan that must not be carried out."""
    named = f"--model {argument(model)}" if model else "--model and the model's name"
    wrong = sorted({found.correct for found in plan.alone.values() if found.correct})
    first = f"correct {' and '.join(wrong)}, " if wrong else ""
    return Refused(
        "; ".join(plan.refusals),
        state="nothing was deleted",
        next_step=f"{first}add a keep rule, exclude the model with cleanup.exclude, "
        "or, if it really may lose every version, "
        f"give --allow-remove-all with {named}",
    )
