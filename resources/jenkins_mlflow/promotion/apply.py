"""Carrying out a promotion: intent, methods in order, read-back, undo, the rest of the group, tags."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, Refused, RegistryError
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.promotion.plan import Plan, refuse_if_changed
from jenkins_mlflow.promotion.undo import alone, move_back
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.snapshot import ARCHIVED, Snapshot, Version
from jenkins_mlflow.registry.writer import Attempt as Attempt, Writer
from jenkins_mlflow.tags import INTENT_TAG, PREVIOUS_MODEL, PREVIOUS_VERSION, TAG_PREFIX

ALIAS_METHOD = "alias"


def previous_tags(plan: Plan) -> dict[str, str]:
    """What a promoted version remembers of the version that it replaced: where a rollback returns to."""
    old = plan.replaces
    return {PREVIOUS_MODEL: old.model, PREVIOUS_VERSION: str(old.number)} if old else {}


Status = Literal["promoted", "already", "partial", "manual"]


@dataclass(frozen=True)
class Outcome:
    """What a promotion came to. ``missing`` says in words which parts of the plan a person still has to do."""

    status: Status
    message: str
    method: str | None
    attempts: tuple[Attempt, ...]
    production: tuple[Version, ...]
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    def document(self, plan: Plan) -> dict[str, Any]:
        """The outcome as the JSON document's own part."""
        return {
            "status": self.status,
            "message": self.message,
            "model": plan.candidate.model,
            "version": plan.candidate.number,
            "method": self.method,
            "previous": plan.replaces.place if plan.replaces else None,
            "attempts": [vars(attempt) for attempt in self.attempts],
            "production": [version.place for version in self.production],
            "missing": list(self.missing),
            "warnings": list(self.warnings),
        }


class Promotion:
    """Carries out one plan against the live registry; its caller holds the lock.

    Args:
        registry: The registry to change.
        plan: What to do.
        methods: The stage methods in order.
        writer: Guards, retries and records every write.
        group: The patterns of the group, for an exclusive one.
        alias_fallback: Whether the alias alone may be set when no method can set the stage.
    """

    def __init__(
        self,
        registry: Registry,
        plan: Plan,
        methods: Sequence[Method],
        writer: Writer,
        *,
        group: Sequence[str] = (),
        alias_fallback: bool = True,
    ) -> None:
        self._registry = registry
        self._plan = plan
        self._methods = methods
        self._writer = writer
        self._group = tuple(group)
        self._alias_fallback = alias_fallback
        self._left_changed: list[str] = []
        self._before: tuple[Version, ...] = ()

    def apply(self, tags: Mapping[str, str], *, unfinished: Intent | None = None) -> Outcome:
        """Promote, and say ``promoted`` only after reading the registry back.

        Args:
            tags: What the promoted version is tagged with, beside the method.
            unfinished: The intent of a promotion that stopped in the middle and is finished now. It stays as it is,
                so that undoing still goes back to what that promotion found.

        Raises:
            Refused: the registry changed since the plan was made; nothing was written.
            ConnectionFailed, RegistryError: the registry stopped answering; the message says how to go on.
            LockLost: another process took over.
            Interrupted: stopped by a signal; a half-done method was undone first.
        """
        plan = self._plan
        live = self._live()
        if not unfinished and INTENT_TAG in live.require(plan.candidate.model).tags:
            raise Refused(
                f"another promotion in {plan.candidate.model} began meanwhile and did not finish",
                state="this one wrote nothing",
                next_step="run the command again: it first finishes or undoes the other one",
            )
        refuse_if_changed(plan, live)
        if not unfinished and (done := self.already()):
            return done
        if not unfinished:
            self._announce(tags)
        try:
            outcome = self._carry_out(tags)
        except (JenkinsMlflowError, Interrupted) as error:
            error.state = error.state or f"the promotion of {plan.candidate.label} may be half done"
            error.next_step = (
                "run the same command again, or any other: it first finishes or undoes what is half done"
            )
            raise
        if self._left_changed or unfinished:
            return outcome  # the intent stays: for the next command, or for the recovery that called this
        if self._may_change_late(outcome):
            late = "a request got no answer and may take effect late; the next command looks and repairs that"
            return Outcome(**{**vars(outcome), "warnings": (*outcome.warnings, late)})
        return self._close(outcome)

    def _may_change_late(self, outcome: Outcome) -> bool:
        """Whether a request that is still on its way could spoil this outcome: the intent stays for that.

        A transition could archive the champion that was put back, or one that put it back could do so once more. Where
        the alias alone was moved it is another matter: to undo that would take back what was promised.
        """
        if not self._writer.open_ended:
            return False
        stage, there = self._plan.target.stage, self._plan.candidate.place
        staged = any(version.place == there and version.stage == stage for version in outcome.production)
        undone = any(attempt.outcome == "undone" for attempt in outcome.attempts)
        return outcome.status == "manual" or (staged and undone)

    def already(self) -> Outcome | None:
        """The outcome if nothing is to do; where production is elsewhere by preference, what is there counts."""
        plan = self._plan
        done = plan.nothing_to_do
        serving: tuple[Version, ...] = (plan.candidate,)
        if any(not method.in_place for method in self._methods):
            first = next((method for method in self._methods if not method.obstacle(plan)), None)
            if first and not first.in_place:
                done, serving = first.done(plan), first.production(plan)
        message = f"{plan.candidate.label} is in production already; nothing was written"
        return Outcome("already", message, None, (), serving) if done else None

    def _live(self) -> Snapshot:
        """What there is now of all that the plan looked at."""
        name = self._plan.candidate.model
        if self._plan.target.exclusive:
            return self._registry.snapshot([name, *self._group])
        return Snapshot((self._registry.model(name),))

    def _announce(self, tags: Mapping[str, str]) -> None:
        """Write the intent down; without it nothing else is written."""
        name = self._plan.candidate.model
        text = Intent.of(self._plan, self._group, tags).to_tag()
        try:
            self._writer.run(lambda: self._registry.tag_model(name, INTENT_TAG, text))
        except Exception as error:
            raised = self._registry.translate(f"writing down what is to be done with {name}", error)
            raised.state = raised.state or "no stage and no alias was changed"
            raise raised from error

    def _close(self, outcome: Outcome) -> Outcome:
        """Remove the intent; where that fails, the next command does it."""
        name = self._plan.candidate.model
        try:
            self._writer.run(lambda: self._registry.untag_model(name, INTENT_TAG))
        except Exception as error:  # noqa: BLE001  what was promised is done
            why = classify(error).summary
            warning = f"the tag {INTENT_TAG} of {name} could not be removed, the next command does it: {why}"
            return Outcome(**{**vars(outcome), "warnings": (*outcome.warnings, warning)})
        return outcome

    def _carry_out(self, tags: Mapping[str, str]) -> Outcome:
        plan = self._plan
        missing: list[str] = []
        method = self._set_stage()
        if method and not method.in_place:
            return self._elsewhere(method, tags)
        stage_done = bool(method) or not plan.needs_stage
        if not stage_done:
            missing.append(f"stage {plan.target.stage} for {plan.candidate.label}")
        alias_done = not plan.needs_alias
        if plan.needs_alias and (stage_done or self._alias_fallback):
            alias_done = self._set_alias()
        if not alias_done:
            missing.append(f"alias {plan.target.alias} for {plan.candidate.label}")
        if stage_done and alias_done:
            missing += self._retire_others()
        alias_set = plan.needs_alias and alias_done
        name = method.name if method else ALIAS_METHOD if alias_set else None
        warnings = self._tag(plan.candidate, tags, name) if name or not missing else ()
        in_part = stage_done or (plan.target.alias is not None and alias_done)
        return self._outcome(name, missing, in_part=in_part, warnings=warnings)

    def _set_stage(self) -> Method | None:
        """Try the methods in order until the registry shows what was wanted."""
        plan = self._plan
        for method in self._methods:
            if method.in_place and not plan.needs_stage:
                continue
            obstacle = self._obstacle(method)
            if obstacle:
                self._writer.record(Attempt(method.name, 0, "skipped", error=obstacle))
                continue
            self._before = () if method.in_place else method.production(plan)
            try:
                if self._try(method):
                    return method
            except Interrupted as stop:
                self._restore()
                if not (self._left_changed or self._writer.open_ended):
                    with contextlib.suppress(
                        Exception
                    ):  # else the next command finds nothing to undo and removes it
                        self._registry.untag_model(plan.found.name, INTENT_TAG)
                    stop.state = stop.state or f"{plan.found.name} is as it was before the promotion"
                raise
            self._restore()
        return None

    def _obstacle(self, method: Method) -> str:
        """Why a method is not tried; that it cannot find out is a reason too."""
        try:
            return method.obstacle(self._plan)
        except RegistryError as error:
            return error.message

    def _try(self, method: Method) -> bool:
        """Run one method under the retry policy; what counts afterwards is the registry, not its answer."""
        accepted = self._writer.write(
            method.name, lambda: method.promote(self._plan), lambda: method.done(self._plan)
        )
        verified = method.done(self._plan)
        if accepted and not verified:
            note = "reported success, but the registry does not show it"
            self._writer.record(Attempt(method.name, 0, "not verified", error=note))
        elif verified and not accepted:
            note = "took effect although its answer was lost"
            self._writer.record(Attempt(method.name, 0, "done", error=note))
        return verified

    def _restore(self) -> None:
        """Bring the versions that a method may have changed back to where they were found, production first."""
        plan = self._plan
        live = self._registry.model(plan.candidate.model)
        before = {version.number: version.stage for version in (plan.candidate, *plan.previous)}
        changed = [(v, before[v.number]) for v in live.versions if v.stage != before.get(v.number, v.stage)]
        changed.sort(key=lambda move: move[1] != plan.target.stage)
        self._left_changed = move_back(self._writer, self._methods, live, changed) if changed else []

    def _elsewhere(self, method: Method, tags: Mapping[str, str]) -> Outcome:
        """The outcome of a method that leaves the candidate where it is and puts a copy of it into production."""
        plan = self._plan
        serving = method.production(plan)
        own = {key: value for key, value in tags.items() if key not in (PREVIOUS_MODEL, PREVIOUS_VERSION)}
        for old in self._before:
            own |= {PREVIOUS_MODEL: old.model, PREVIOUS_VERSION: str(old.number)}
        warnings = self._tag(serving[0], own, method.name) if serving else ()
        where = ", ".join(version.label for version in serving)
        message = f"promoted {plan.candidate.label} by {method.name} as {where}; verified in the registry"
        return self._told("promoted", message, method.name, serving, (), warnings)

    def _set_alias(self) -> bool:
        plan, alias = self._plan, self._plan.target.alias
        assert alias is not None
        name, number = plan.candidate.model, plan.candidate.number

        def on_it() -> bool:
            return self._registry.model(name).aliases.get(alias) == number

        self._writer.write(ALIAS_METHOD, lambda: self._registry.set_alias(name, alias, number), on_it)
        return on_it()

    def _retire_others(self) -> list[str]:
        """Take the other models of an exclusive group out of production; what could not be done, in words."""
        return [
            f"{version.label} must leave production: this group has one champion"
            for version in self._plan.others
            if not self._retire(version)
        ]

    def _retire(self, planned: Version) -> bool:
        """Take one other version out of production, if it still is what the plan saw."""
        stage, alias = self._plan.target.stage, self._plan.target.alias
        version = self._registry.version(planned.model, planned.number)
        if stage and version.stage == stage:
            model = self._registry.model(version.model)
            any(
                self._writer.write(
                    f"{method.name}: retire {version.label}",
                    functools.partial(method.move, version, ARCHIVED),
                )
                for method in self._methods
                if method.in_place and not method.obstacle(alone(model, version))
            )
        if alias and alias in version.aliases:
            self._writer.write(
                f"alias: retire {version.label}", lambda: self._registry.delete_alias(version.model, alias)
            )
        return not self._registry.version(version.model, version.number).in_production(self._plan.target)

    def _tag(self, version: Version, tags: Mapping[str, str], method: str | None) -> tuple[str, ...]:
        """Record the promotion on the version; failing to is worth a warning, not a failed promotion."""
        tags = {**tags, TAG_PREFIX + "method": method} if method else tags
        try:
            self._writer.run(lambda: self._registry.tag_version(version.model, version.number, tags))
        except Exception as error:  # noqa: BLE001  whatever it is, the promotion stands
            return (f"{version.label} could not be tagged with its promotion: {classify(error).summary}",)
        return ()

    def _outcome(
        self, method: str | None, missing: Sequence[str], *, in_part: bool, warnings: tuple[str, ...]
    ) -> Outcome:
        plan = self._plan
        names = {plan.found.name, *(version.model for version in plan.others)}
        live = [self._registry.model(name) for name in sorted(names)]
        serving = tuple(v for model in live for v in model.production(plan.target))
        label = plan.candidate.label
        own = [version.number for version in serving if version.model == plan.candidate.model]
        if not missing and own == [plan.candidate.number]:
            replaced = f", replacing {plan.replaces.label}" if plan.replaces else ""
            how = method or ("retiring the others" if plan.others else "finishing what was left")
            message = f"promoted {label} by {how}{replaced}; verified in the registry"
            return self._told("promoted", message, method, serving, (), warnings)
        still = "; ".join(missing) or f"{label} does not show alone in production"
        if in_part:
            message = f"{label} is promoted in part; missing: {still}"
            return self._told("partial", message, method, serving, missing or (still,), warnings)
        message = f"{label} could not be promoted: every method failed; a person must promote it by hand"
        return self._told("manual", message, None, serving, missing, warnings)

    def _told(
        self,
        status: Status,
        message: str,
        method: str | None,
        serving: tuple[Version, ...],
        missing: Sequence[str],
        warnings: tuple[str, ...],
    ) -> Outcome:
        return Outcome(
            status, message, method, tuple(self._writer.attempts), serving, tuple(missing), warnings
        )
