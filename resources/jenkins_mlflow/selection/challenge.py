"""Compares the best candidate with the version in production. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.config.select import Select
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.selection.candidates import why_missing
from jenkins_mlflow.selection.past import Past, nothing_is, short_name
from jenkins_mlflow.text import difference, number

Outcome = Literal["selected", "champion_kept", "champion_unmeasured"]


@dataclass(frozen=True)
class Challenge:
    """The outcome of the comparison: for the whole selection, and in one phrase for the candidate's verdict."""

    outcome: Outcome
    reason: str
    message: str


def challenge(
    best: Version, production: Sequence[Version], rules: Select, target: Target, past: Past
) -> Challenge:
    """Compare the best candidate with the champion.

    Every version that would leave production for the candidate must also have the metric, so that none is
    replaced without a comparison.

    Args:
        best: The best candidate that passes the gates.
        production: The group's versions in production, the champion first.
        rules: The config's ``select`` section.
        target: What marks production.
        past: What was in production before; it counts if nothing is in production.
    """
    value = best.metric(rules.metric)
    assert value is not None, "a candidate without the metric passes no gate"
    shown = f"{short_name(best)} ({number(value)})"
    if not production:
        return _unopposed(shown, target, past)
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


def _unopposed(shown: str, target: Target, past: Past) -> Challenge:
    """The outcome for a candidate if nothing is in production; says what was."""
    lost, back = past.lost(target)
    if not lost:
        reason = f"{nothing_is(target)} yet"
        return Challenge("selected", reason, f"Selected {shown}: {reason}.")
    return Challenge("selected", lost, f"Selected {shown}: {lost} without this tool.{back and f' {back}.'}")


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
