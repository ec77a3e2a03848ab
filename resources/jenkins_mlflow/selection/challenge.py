"""Compares the best candidate with the version in production. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.config.select import Select
from jenkins_mlflow.registry.snapshot import Target, Version
from jenkins_mlflow.selection.candidates import why_missing
from jenkins_mlflow.text import argument, difference, listed, number

_NAMED = 3
Outcome = Literal["selected", "champion_kept", "champion_unmeasured"]


@dataclass(frozen=True)
class Challenge:
    """The outcome of the comparison: for the whole selection, and in one phrase for the candidate's verdict."""

    outcome: Outcome
    reason: str
    message: str


def challenge(
    best: Version,
    production: Sequence[Version],
    rules: Select,
    target: Target,
    recorded: Version | None = None,
    gone: Sequence[str] = (),
    deleted: Sequence[str] = (),
) -> Challenge:
    """Compare the best candidate with the champion.

    Every version that would leave production for the candidate must also have the metric, so that none is
    replaced without a comparison.

    Args:
        best: The best candidate that passes the gates.
        production: The group's versions in production, the champion first.
        rules: The config's ``select`` section.
        target: What marks production.
        recorded: The version in production according to the records; it counts if nothing is in production.
        gone: The models that were in production and are no longer registered. If there are any, ``recorded`` is
            only the newest record that is left, and says nothing about what was in production last.
        deleted: The short names of versions that were in production and no longer exist. If there are any,
            ``recorded`` was in production before them.
    """
    value = best.metric(rules.metric)
    assert value is not None, "a candidate without the metric passes no gate"
    shown = f"{short_name(best)} ({number(value)})"
    if not production:
        return _unopposed(shown, target, recorded, gone, deleted)
    champion = production[0]
    replaced = [version for version in production if target.exclusive or version.model == best.model]
    rivals = [champion, *replaced]
    unmeasured = next((version for version in rivals if version.metric(rules.metric) is None), None)
    if unmeasured and rules.unmeasured_champion == "keep":
        return _unmeasured(best, value, unmeasured, rules)
    old = champion.metric(rules.metric)
    if old is None:
        reason = (
            f"the champion {short_name(champion, beside=best)} cannot be compared, "
            f"{why_missing(champion, rules.metric)}"
        )
        return Challenge("selected", reason, f"Selected {shown}: {reason}.")
    apart = _apart(value, old, rules.min_improvement)
    if _is_better(value, old, rules):
        reason = f"{apart} than the champion {short_name(champion, beside=best)} ({number(old)})"
        return Challenge("selected", reason, f"Selected {shown}, {reason}.")
    if value == old:
        short = "the same; a tie keeps the champion"
    elif (value > old) == (rules.direction == "maximize"):
        short = f"{apart}; select.min_improvement asks for {number(rules.min_improvement)}"
    else:
        short = apart
    message = (
        f"Kept {short_name(champion)} ({number(old)}). "
        f"Best challenger: {short_name(best, beside=champion)} with {number(value)}, {short}."
    )
    reason = f"the champion {short_name(champion, beside=best)} has {number(old)}: {short}"
    return Challenge("champion_kept", reason, message)


def _unopposed(
    shown: str, target: Target, recorded: Version | None, gone: Sequence[str], deleted: Sequence[str]
) -> Challenge:
    """The outcome for a candidate if nothing is in production; says what was."""
    where = f"is in {target.stage}" if target.stage else f"has the alias {target.alias}"
    if gone:
        lost = f"nothing {where}: {listed(gone, _NAMED)}, in production before, was deleted or renamed"
        return Challenge("selected", lost, f"Selected {shown}: {lost} without this tool.")
    if deleted:
        lost = f"nothing {where}: {listed(deleted, _NAMED)}, in production before, was deleted"
        back = ""
        if recorded:
            command = f"`jenkins-mlflow rollback --model {argument(recorded.model)} --to {recorded.number}`"
            back = f" {command} returns to {short_name(recorded)}, the last one before it that still exists."
        return Challenge("selected", lost, f"Selected {shown}: {lost} without this tool.{back}")
    if recorded is None:
        return Challenge("selected", f"nothing {where} yet", f"Selected {shown}: nothing {where} yet.")
    lost = f"nothing {where}: {short_name(recorded)} was taken out without this tool"
    back = f"`jenkins-mlflow rollback --model {argument(recorded.model)} --recorded` brings it back"
    return Challenge("selected", lost, f"Selected {shown}: {lost}. {back}.")


def short_name(version: Version, *, beside: Version | None = None) -> str:
    """`heart-disease-svm v2`, or just `v2` next to a version of the same model."""
    return (
        f"v{version.number}"
        if beside and beside.model == version.model
        else f"{version.model} v{version.number}"
    )


def _is_better(new: float, old: float, rules: Select) -> bool:
    gain = new - old if rules.direction == "maximize" else old - new
    needed = rules.min_improvement
    return gain > 0 and (gain >= needed or math.isclose(gain, needed, rel_tol=1e-9, abs_tol=1e-12))


def _apart(new: float, old: float, needed: float) -> str:
    return f"{difference(new, old, needed or None)} {'higher' if new > old else 'lower'}"


def _unmeasured(best: Version, value: float, unmeasured: Version, rules: Select) -> Challenge:
    short = short_name(best, beside=unmeasured)
    reason = f"{short_name(unmeasured)} cannot be compared, {why_missing(unmeasured, rules.metric)}"
    message = (
        f"Kept {short_name(unmeasured)}: it cannot be compared, {why_missing(unmeasured, rules.metric)}. "
        f"Best challenger: {short} with {number(value)}. "
        f"Promote {short} by name, or set select.unmeasured_champion: replace."
    )
    return Challenge("champion_unmeasured", reason, message)
