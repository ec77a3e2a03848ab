"""Restores production after a training that promoted its versions itself."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.methods.alias import point
from jenkins_mlflow.promotion.intent import is_unfinished
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.results.train import ChangePart, PutBackPart
from jenkins_mlflow.text import printable
from jenkins_mlflow.training.marks import recorded
from jenkins_mlflow.training.self_promotion import SelfPromotion

_DELETED = "the model was deleted"


@dataclass(frozen=True)
class PutBack:
    """The outcome for one model. ``done``: nothing that the training promoted is in production."""

    found: SelfPromotion
    done: bool
    message: str

    @property
    def part(self) -> PutBackPart:
        """The outcome as a part of the result of `train`."""
        return PutBackPart(
            model=self.found.model,
            versions=tuple(self.found.versions),
            done=self.done,
            message=self.message,
            changes=tuple(ChangePart(**vars(change)) for change in self.found.changes),
        )


def put_back(session: Session, registry: Registry, found: Sequence[SelfPromotion]) -> tuple[PutBack, ...]:
    """Restore production to what it was before the training, and report that.

    Versions that return to production are written first, so that it is never empty. What somebody else has
    changed since is left alone, and so is a version that a recorded promotion has accepted since.

    Args:
        session: Lock, writer and warnings.
        registry: The registry to write to.
        found: The training's own promotions, see ``self_promotion.self_promotions``.

    Returns:
        The outcome for each model.

    Raises:
        Busy, LockLost: Another command is working on one of the models.
        ConnectionFailed, RegistryError: MLflow could not be read.
    """
    changed = [change.model for one in found for change in one.changes]
    names = tuple(dict.fromkeys([*(one.model for one in found), *changed]))
    with session.lock(registry, "train", session.scope.locked_with(names), names) as lock:
        writer, held = session.writer(), registry.under(lock)
        models = {model.name: model for model in registry.snapshot(names).models}
        open_ones = [one for one in found if not _accepted(one, models.get(one.model))]
        lock.confirm()
        reasons = {one.model: _apply(held, writer, one, models) for one in open_ones}
        models = {model.name: model for model in registry.snapshot(names).models}
    done = tuple(_outcome(one, models, session.target, reasons[one.model]) for one in open_ones)
    for one in done:
        session.warn(one.message)
    return done


def _accepted(one: SelfPromotion, model: Model | None) -> bool:
    """Whether recorded promotions have since put everything into production that the training promoted."""
    versions = [model.version(number) for number in one.versions] if model else []
    return all(version is None or recorded(version) for version in versions)


def _apply(registry: Registry, writer: Writer, one: SelfPromotion, models: Mapping[str, Model]) -> str:
    """Write the changes whose marks are still as found; return why nothing was written, or ""."""
    named = _models_of(one)
    if one.obstacle or not set(named) <= models.keys():
        return one.obstacle or _DELETED
    if any(is_unfinished(models[name]) for name in named):
        return "a promotion of this model is not finished"
    for change in one.changes:
        now = registry.snapshot([change.model]).models  # somebody may be at work in MLflow's UI
        value = change.value(now[0]) if now else None
        if now and value == change.found:
            label = f"put back {printable(change.model)} {change.mark}"
            if not writer.write(label, _write(registry, change)):
                return "a write failed"  # the next change would leave production empty
        elif value != change.wanted and _returns(change, one):
            was = _named(change.model, change.mark, one)
            return f"{was}, which was in production before, was changed by somebody else" if now else _DELETED
    return ""


def _models_of(one: SelfPromotion) -> tuple[str, ...]:
    return tuple(dict.fromkeys([one.model, *(change.model for change in one.changes)]))


def _returns(change: Change, one: SelfPromotion) -> bool:
    """Whether the change restores a stage, rather than removing what the training promoted."""
    return change.is_stage and (change.model != one.model or change.mark not in one.versions)


def _named(model: str, number: object, one: SelfPromotion) -> str:
    return f"v{number}" if model == one.model else f"{printable(model)} v{number}"


def _write(registry: Registry, change: Change) -> Callable[[], None]:
    if isinstance(change.mark, int):
        return functools.partial(registry.set_stage, change.model, change.mark, str(change.wanted))
    number = change.wanted if isinstance(change.wanted, int) else None
    return functools.partial(point, registry, change.model, change.mark, number)


def _outcome(one: SelfPromotion, models: Mapping[str, Model], target: Target, reason: str) -> PutBack:
    model = models.get(one.model)
    serving = [v for name in _models_of(one) if name in models for v in models[name].production(target)]
    remaining = [
        version
        for version in serving
        if version.model == one.model and version.number in one.versions and not recorded(version)
    ]
    name = printable(one.model)
    now = ", ".join(_named(version.model, version.number, one) for version in serving) or "nothing"
    head = f"the training put {name} {_versions(one.versions)} into production itself, before any gate"
    if not remaining and not reason:
        advice = "leave that to promote, or accept it with train.may_promote: true"
        return PutBack(one, True, f"{head}; put back, in production now: {now}; {advice}")
    why = reason or "somebody put it there again"
    command = (
        f"jenkins-mlflow promote --recover --models {shlex.quote(name)}"
        if model and is_unfinished(model)
        else f"jenkins-mlflow promote --model {shlex.quote(name)} --version N"
    )
    return PutBack(
        one, False, f"{head}, and it was not put back: {why}; in production now: {now}; next: `{command}`"
    )


def _versions(numbers: Sequence[int]) -> str:
    return ", ".join(f"v{number}" for number in numbers)
