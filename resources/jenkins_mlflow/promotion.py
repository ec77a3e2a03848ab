"""Carrying out a promotion: methods in order, read-back, undo, the rest of the group, tags."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from jenkins_mlflow.build import TAG_PREFIX
from jenkins_mlflow.errors import Interrupted, JenkinsMlflowError, Refused
from jenkins_mlflow.faults import RetryPolicy, call_with_retries, classify
from jenkins_mlflow.methods import Method
from jenkins_mlflow.promotion_plan import Plan, serves
from jenkins_mlflow.registry import Registry
from jenkins_mlflow.snapshot import ARCHIVED, Version

ALIAS_METHOD = "alias"
PREVIOUS_MODEL, PREVIOUS_VERSION = TAG_PREFIX + "previous_model", TAG_PREFIX + "previous_version"

Status = Literal["promoted", "already", "partial", "manual"]


@dataclass(frozen=True)
class Attempt:
    """One try of one method, as it is shown and reported; ``seconds`` is how long it took."""

    method: str
    attempt: int
    outcome: Literal["done", "failed", "skipped", "undone", "not undone", "not verified"]
    seconds: float = 0.0
    error: str = ""


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
    """Carries out one plan against the live registry.

    Args:
        registry: The registry to change.
        plan: What to do.
        methods: The stage methods in order.
        alias_fallback: Whether the alias alone may be set when no method can set the stage.
        retry: The policy of each method.
        show: Told of every attempt as it happens.
        sleep: Replaced in tests.
    """

    def __init__(
        self,
        registry: Registry,
        plan: Plan,
        methods: Sequence[Method],
        *,
        alias_fallback: bool = True,
        retry: RetryPolicy | None = None,
        show: Callable[[Attempt], None] = lambda attempt: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._registry = registry
        self._plan = plan
        self._methods = methods
        self._alias_fallback = alias_fallback
        self._retry = retry or RetryPolicy()
        self._show = show
        self._sleep = sleep
        self._attempts: list[Attempt] = []
        self._usable: list[Method] = []

    def apply(self, tags: Mapping[str, str]) -> Outcome:
        """Promote, and say ``promoted`` only after reading the registry back.

        Args:
            tags: What the promoted version is tagged with, beside method and previous version.

        Raises:
            Refused: the registry changed since the plan was made; nothing was written.
            ConnectionFailed, RegistryError: the registry stopped answering; the message says how to go on.
            Interrupted: stopped by a signal; a half-done method was undone first.
        """
        plan = self._plan
        self._refuse_if_changed()
        if plan.nothing_to_do:
            message = f"{plan.candidate.label} is in production already; nothing was written"
            return Outcome("already", message, None, (), (plan.candidate,))
        try:
            return self._carry_out(tags)
        except (JenkinsMlflowError, Interrupted) as error:
            error.state = error.state or f"the promotion of {plan.candidate.label} may be half done"
            error.next_step = "run the same command again: it finishes what is missing and verifies"
            raise

    def _carry_out(self, tags: Mapping[str, str]) -> Outcome:
        plan = self._plan
        missing: list[str] = []
        method = self._set_stage() if plan.needs_stage else None
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
        warnings = self._tag({**tags, TAG_PREFIX + "method": name}) if name else ()
        in_part = stage_done or (plan.target.alias is not None and alias_done)
        return self._outcome(name, missing, in_part=in_part, warnings=warnings)

    def _refuse_if_changed(self) -> None:
        live, found = self._registry.model(self._plan.candidate.model), self._plan.found
        if [(v.number, v.stage, v.aliases) for v in live.versions] != [
            (v.number, v.stage, v.aliases) for v in found.versions
        ]:
            raise Refused(
                f"{found.name} was changed by someone else since this promotion was planned",
                state="nothing was written",
                next_step="run the command again: it plans with what is there now",
            )

    def _set_stage(self) -> Method | None:
        """Try the methods in order until the registry shows the candidate as the only version in the stage."""
        plan = self._plan
        for method in self._methods:
            obstacle = method.obstacle(plan)
            if obstacle:
                self._record(Attempt(method.name, 0, "skipped", error=obstacle))
                continue
            self._usable.insert(0, method)
            try:
                if self._try(method):
                    return method
            except Interrupted as stop:
                self._restore()
                stop.state = stop.state or f"{plan.found.name} is as it was before the promotion"
                raise
            self._restore()
        return None

    def _try(self, method: Method) -> bool:
        """Run one method under the retry policy; what counts afterwards is the registry, not its answer."""
        accepted = self._write(method.name, lambda: method.promote(self._plan))
        verified = method.done(self._plan)
        if accepted and not verified:
            note = "reported success, but the registry does not show it"
            self._record(Attempt(method.name, 0, "not verified", error=note))
        elif verified and not accepted:
            self._record(Attempt(method.name, 0, "done", error="took effect although its answer was lost"))
        return verified

    def _restore(self) -> None:
        """Bring every version of the model back to the stage it was found in, previous production first."""
        plan = self._plan
        live = self._registry.model(plan.candidate.model)
        before = {version.number: version.stage for version in plan.found.versions}
        changed = [v for v in live.versions if v.number in before and v.stage != before[v.number]]
        for version in sorted(changed, key=lambda v: before[v.number] != plan.target.stage):
            self._move_back(version, before[version.number])

    def _move_back(self, version: Version, stage: str) -> None:
        error = ""
        for method in self._usable:
            started = time.monotonic()
            move_back = functools.partial(method.move, version, stage)
            try:
                call_with_retries(move_back, self._retry, sleep=self._sleep)
            except Exception as failure:  # noqa: BLE001  the next method may manage
                error = classify(failure).summary
                continue
            note = f"{version.label} is back in stage {stage}"
            self._record(Attempt(method.name, 0, "undone", round(time.monotonic() - started, 3), note))
            return
        note = f"{version.label} stayed in stage {version.stage}, it was in {stage}: {error}"
        self._record(Attempt(self._usable[0].name, 0, "not undone", error=note))

    def _set_alias(self) -> bool:
        plan, alias = self._plan, self._plan.target.alias
        assert alias is not None
        name, number = plan.candidate.model, plan.candidate.number
        return self._write(ALIAS_METHOD, lambda: self._registry.set_alias(name, alias, number)) and (
            self._registry.model(name).aliases.get(alias) == number
        )

    def _write(self, label: str, call: Callable[[], None]) -> bool:
        """One repeatable write under the retry policy, recorded; whether it went through."""
        count, started = 0, time.monotonic()

        def failed(attempt: int, seconds: float, error: Exception) -> None:
            nonlocal count, started
            count, started = attempt, time.monotonic()
            self._record(Attempt(label, attempt, "failed", round(seconds, 3), classify(error).summary))

        try:
            call_with_retries(call, self._retry, on_failure=failed, sleep=self._sleep)
        except Exception:  # noqa: BLE001  recorded above; the registry's state decides
            return False
        self._record(Attempt(label, count + 1, "done", round(time.monotonic() - started, 3)))
        return True

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
        done = True
        if stage and version.stage == stage:
            movers = self._usable or [m for m in self._methods if not m.obstacle(self._plan)]
            done = any(
                self._write(f"{m.name}: retire {version.label}", functools.partial(m.move, version, ARCHIVED))
                for m in movers
            )
        if alias and alias in version.aliases:
            done = (
                self._write(
                    f"alias: retire {version.label}",
                    lambda: self._registry.delete_alias(version.model, alias),
                )
                and done
            )
        return done and not serves(self._registry.version(version.model, version.number), self._plan.target)

    def _tag(self, tags: Mapping[str, str]) -> tuple[str, ...]:
        """Record the promotion on the version; failing to is worth a warning, not a failed promotion."""
        plan = self._plan
        if plan.replaces:
            tags = {**tags, PREVIOUS_MODEL: plan.replaces.model, PREVIOUS_VERSION: str(plan.replaces.number)}
        try:
            call_with_retries(
                lambda: self._registry.tag_version(plan.candidate.model, plan.candidate.number, tags),
                self._retry,
                sleep=self._sleep,
            )
        except Exception as error:  # noqa: BLE001  whatever it is, the promotion stands
            return (
                f"{plan.candidate.label} could not be tagged with its promotion: {classify(error).summary}",
            )
        return ()

    def _outcome(
        self, method: str | None, missing: Sequence[str], *, in_part: bool, warnings: tuple[str, ...]
    ) -> Outcome:
        plan = self._plan
        names = {plan.found.name, *(version.model for version in plan.others)}
        live = [self._registry.model(name) for name in sorted(names)]
        serving = tuple(v for model in live for v in model.production(plan.target.stage, plan.target.alias))
        label = plan.candidate.label
        if not missing and plan.candidate.number in {
            v.number for v in serving if v.model == plan.candidate.model
        }:
            replaced = f", replacing {plan.replaces.label}" if plan.replaces else ""
            message = (
                f"promoted {label} by {method or 'retiring the others'}{replaced}; verified in the registry"
            )
            return Outcome("promoted", message, method, tuple(self._attempts), serving, (), warnings)
        still = "; ".join(missing) or f"{label} does not show in production"
        if in_part:
            message = f"{label} is promoted in part; missing: {still}"
            return Outcome(
                "partial", message, method, tuple(self._attempts), serving, tuple(missing), warnings
            )
        message = f"{label} could not be promoted: every method failed; a person must promote it by hand"
        return Outcome("manual", message, None, tuple(self._attempts), serving, tuple(missing), warnings)

    def _record(self, attempt: Attempt) -> None:
        self._attempts.append(attempt)
        self._show(attempt)
