"""What a promotion will change: a pure plan, made from a snapshot of the group."""

from __future__ import annotations

from dataclasses import dataclass

from jenkins_mlflow.errors import NotFound, Refused
from jenkins_mlflow.registry.snapshot import ARCHIVED, READY, Model, Snapshot, Target, Version
from jenkins_mlflow.tags import TAG_PREFIX


@dataclass(frozen=True)
class Plan:
    """What a promotion will change, and what it found.

    Attributes:
        candidate: The version to promote.
        found: Its model as planned with; undoing goes back to this.
        previous: The versions of the same model that are in production now.
        others: The versions of other models that leave production (exclusive groups only).
        needs_stage, needs_alias: Which parts are missing; neither and no ``others`` means nothing is to do.
    """

    candidate: Version
    target: Target
    found: Model
    previous: tuple[Version, ...]
    others: tuple[Version, ...]
    needs_stage: bool
    needs_alias: bool

    @property
    def nothing_to_do(self) -> bool:
        return not (self.needs_stage or self.needs_alias or self.others)

    @property
    def replaces(self) -> Version | None:
        """The version that loses production to this one: the model's own, else the exclusive group's."""
        return next(iter((*self.previous, *self.others)), None)

    def steps(self) -> list[str]:
        """The plan in words, for a dry run."""
        stage, alias, label = self.target.stage, self.target.alias, self.candidate.label
        lines = [f"{label}: stage {self.candidate.stage} -> {stage}"] if self.needs_stage and stage else []
        lines += [f"{old.label}: stage {old.stage} -> {ARCHIVED}" for old in self.previous if stage]
        lines += [f"{label}: gets alias {alias}"] if self.needs_alias else []
        lines += [f"{old.label}: leaves production (exclusive group)" for old in self.others]
        return lines or [f"{label}: is in production already, nothing to do"]


def plan_promotion(snapshot: Snapshot, model: str, number: int, target: Target) -> Plan:
    """Work out what a promotion has to change. Pure.

    Raises:
        NotFound: the model or version is not in the registry, or was deleted.
        Refused: the version is not READY.
    """
    found = snapshot.require(model)
    candidate = found.version(number)
    if candidate is None:
        there = ", ".join(str(version.number) for version in found.versions[:10]) or "none"
        raise NotFound(
            f"{model} has no version {number}: it never had one, or it was deleted (there now: {there})",
            state="nothing was changed",
            next_step="name one of the versions that are there",
        )
    if candidate.status != READY:
        raise Refused(
            f"{candidate.label} is {candidate.status}, not {READY}",
            state="nothing was changed",
            next_step="wait until its registration is complete, or register it again",
        )
    others: tuple[Version, ...] = ()
    if target.exclusive:
        others = tuple(v for v in snapshot.versions() if v.model != model and v.in_production(target))
    previous = tuple(v for v in found.versions if target.stage and v.stage == target.stage and v != candidate)
    if not target.stage and target.alias is not None and target.alias in found.aliases:
        holder = found.version(found.aliases[target.alias])
        previous = (holder,) if holder and holder != candidate else ()
    return Plan(
        candidate=candidate,
        target=target,
        found=found,
        previous=previous,
        others=others,
        needs_stage=bool(target.stage) and (candidate.stage != target.stage or bool(previous)),
        needs_alias=bool(target.alias) and target.alias not in candidate.aliases,
    )


def refuse_if_changed(plan: Plan, live: Snapshot) -> None:
    """Make sure that nothing a promotion builds on has changed since it was planned. Pure.

    A version that somebody registered or staged meanwhile is no reason; one that went into production is.

    Args:
        plan: What was planned.
        live: The same models now.

    Raises:
        NotFound: the candidate's model is gone.
        Refused: the candidate or what is in production is another than planned; says who was faster.
    """
    name, target = plan.candidate.model, plan.target
    model = live.require(name)
    candidate = model.version(plan.candidate.number)
    if candidate is None or candidate.status != READY:
        raise _changed(f"{plan.candidate.label} was deleted meanwhile")
    expected = {
        (v.model, v.number): v for v in (*plan.found.versions, *plan.others) if v.in_production(target)
    }
    serving = [
        v for v in live.versions() if v.in_production(target) and (target.exclusive or v.model == name)
    ]
    faster = next((v for v in serving if _is_new(v, expected.get((v.model, v.number)))), None)
    if faster is not None:
        known = (faster.tags.get(TAG_PREFIX + key) for key in ("promoted_by", "build_url"))
        who = ", ".join(text for text in known if text)
        raise _changed(
            f"{plan.candidate.label} lost: {faster.label} went into production while this promotion was prepared"
            + (f" (by {who})" if who else "")
        )
    before = {v.number: (v.stage, v.aliases) for v in plan.found.versions}
    moved = [v for v in (*plan.previous, plan.candidate) if before[v.number] != _marks(model, v.number)]
    if moved or len(serving) != len(expected):
        label = moved[0].label if moved else name
        raise _changed(f"{label} was changed by someone else since this promotion was planned")


def _is_new(serving: Version, planned: Version | None) -> bool:
    """Whether a version in production got there since the plan, or was about to when the plan was made."""
    promoted = TAG_PREFIX + "promoted_at"
    return planned is None or serving.tags.get(promoted) != planned.tags.get(promoted)


def _marks(model: Model, number: int) -> tuple[str, tuple[str, ...]] | None:
    version = model.version(number)
    return (version.stage, version.aliases) if version else None


def _changed(what: str) -> Refused:
    return Refused(
        what,
        state="nothing was written",
        next_step="run the command again: it plans with what is there now",
    )
