"""Finishing or undoing a promotion that stopped in the middle, from the intent that it left in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.methods.base import Method
from jenkins_mlflow.promotion.apply import Promotion
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.promotion.undo import move_back
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import READY, Model, Snapshot, Version
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import CHECK_TAG, INTENT_TAG, PENDING

Kind = Literal["finish", "undo", "leave"]


@dataclass(frozen=True)
class Decision:
    """What is to be done about an intent, and why."""

    kind: Kind
    reason: str


@dataclass(frozen=True)
class Recovered:
    """What became of one unfinished promotion."""

    model: str
    version: int
    outcome: Literal["finished", "undone", "left"]
    message: str

    def document(self) -> dict[str, Any]:
        return vars(self)


def decide(model: Model, intent: Intent, *, copied: bool = False) -> Decision:
    """Whether an unfinished promotion is finished or undone. Pure.

    It is finished if the candidate has reached production already, or if there is nothing whole to go back to; else it
    is undone. If someone else has put another version into production meanwhile, that decision stands.

    Args:
        model: The model as it is now.
        intent: What the promotion had found and wanted.
        copied: Whether a copy of the candidate has reached production elsewhere.
    """
    candidate = model.version(intent.version)
    serving = {v.number for v in model.production(intent.target)}
    foreign = sorted(serving - {intent.version, *intent.previous})
    gone = [number for number in intent.previous if model.version(number) is None]
    kind: Kind = "finish"
    if foreign:
        kind, reason = "leave", f"someone else has put version {foreign[0]} into production meanwhile"
    elif copied:
        reason = "its copy is in production"
    elif candidate is None or candidate.status != READY:
        kind, reason = "undo", f"version {intent.version} was deleted meanwhile"
    elif intent.version in serving:
        reason = f"version {intent.version} is in production"
    elif gone:
        reason = f"version {gone[0]}, which was in production, was deleted meanwhile"
    elif len(intent.previous) > 1:
        reason = f"{len(intent.previous)} versions were in production at once before it"
    else:
        kind, reason = "undo", f"version {intent.version} did not reach production"
    return Decision(kind, reason)


def moves_back(model: Model, intent: Intent) -> list[tuple[Version, str]]:
    """The stage changes that undo an intent, what was in production first. Pure."""
    stage = intent.stage
    if stage is None:
        return []
    found = [version for number in intent.previous if (version := model.version(number))]
    moves = [(version, stage) for version in found if version.stage != stage]
    candidate = model.version(intent.version)
    if candidate and candidate.stage == stage != intent.found_stage:
        moves.append((candidate, intent.found_stage))
    return moves


class Recovery:
    """Recovers one model; its caller holds the lock.

    Args:
        registry: The registry to change.
        methods: The promotion methods in order.
        writer: Guards, retries and records every write.
        alias_fallback: As for Promotion.
    """

    def __init__(
        self, registry: Registry, methods: Sequence[Method], writer: Writer, *, alias_fallback: bool = True
    ) -> None:
        self._registry = registry
        self._methods = methods
        self._writer = writer
        self._alias_fallback = alias_fallback

    def run(self, name: str) -> Recovered | None:
        """Finish or undo the model's unfinished promotion; None if there is none (any more).

        Raises:
            RegistryError: neither could be done; the intent stays, the message says what is in production.
            ConnectionFailed: the registry does not answer.
        """
        model = self._registry.model(name)
        intent = Intent.on(model)
        if intent is None:
            return None
        decision = decide(model, intent, copied=self._copied(model, intent))
        what = intent.title(name)
        if decision.kind == "finish" and self._finish(model, intent):
            unchecked = (
                "; its check has not run: promote the version again for that"
                if intent.tags.get(CHECK_TAG) == PENDING
                else ""
            )
            return self._close(
                name, intent, "finished", f"{what} is finished now: {decision.reason}{unchecked}"
            )
        if decision.kind == "leave":
            return self._close(
                name, intent, "left", f"{what} is given up, nothing was changed: {decision.reason}"
            )
        left = self.undo(name, intent)
        if left:
            now = self._registry.model(name).production(intent.target)
            there = ", ".join(version.label for version in now) or "NOTHING"
            raise RegistryError(
                f"{what} stopped in the middle and can be neither finished nor undone: {'; '.join(left)}",
                state=f"in production now: {there}",
                next_step="set the stages by hand in MLflow; the next command notices and clears the rest",
            )
        return self._close(
            name, intent, "undone", f"{what} is undone, all is as it was before: {decision.reason}"
        )

    def _copied(self, model: Model, intent: Intent) -> bool:
        candidate = model.version(intent.version)
        if candidate is None:
            return False
        plan = plan_promotion(Snapshot((model,)), model.name, intent.version, intent.target)
        elsewhere = (method for method in self._methods if not method.in_place)
        return any(not method.obstacle(plan) and method.done(plan) for method in elsewhere)

    def _finish(self, model: Model, intent: Intent) -> bool:
        snapshot = (
            self._registry.snapshot([model.name, *intent.group]) if intent.exclusive else Snapshot((model,))
        )
        plan = plan_promotion(snapshot, model.name, intent.version, intent.target)
        outcome = Promotion(
            self._registry,
            plan,
            self._methods,
            self._writer,
            group=intent.group,
            alias_fallback=self._alias_fallback,
        ).apply(intent.tags, unfinished=intent)
        return outcome.status == "promoted"

    def undo(self, name: str, intent: Intent) -> list[str]:
        """Bring stages and alias back to what the intent found; in words, what could not be."""
        model = self._registry.model(name)
        left = move_back(self._writer, self._methods, model, moves_back(model, intent))
        if intent.alias and model.aliases.get(intent.alias) == intent.version != intent.alias_holder:
            left += self._alias_back(name, intent.alias, intent.alias_holder)
        return left

    def _alias_back(self, name: str, alias: str, holder: int | None) -> list[str]:
        if holder is None:
            failure = self._writer.undo(
                "alias", lambda: self._registry.delete_alias(name, alias), f"alias {alias} is removed again"
            )
        else:
            failure = self._writer.undo(
                "alias",
                lambda: self._registry.set_alias(name, alias, holder),
                f"alias {alias} is back on {name} version {holder}",
            )
        return [f"alias {alias} of {name} stayed where it is: {failure}"] if failure else []

    def _close(
        self, name: str, intent: Intent, outcome: Literal["finished", "undone", "left"], message: str
    ) -> Recovered:
        try:
            self._writer.run(lambda: self._registry.untag_model(name, INTENT_TAG))
        except Exception as error:
            raise self._registry.translate(f"removing the tag {INTENT_TAG} from {name}", error) from error
        return Recovered(name, intent.version, outcome, message)
