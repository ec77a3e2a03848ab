"""Chooses the version to promote: ranks the candidates, applies the gates, compares with the champion. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from jenkins_mlflow.config.select import Select
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.sources import copied_from
from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.selection.candidates import Verdict, judge, not_a_candidate
from jenkins_mlflow.selection.challenge import Challenge, Outcome, challenge
from jenkins_mlflow.selection.past import Past, short_name
from jenkins_mlflow.text import number

Status = Outcome | Literal["no_candidate"]
_SHOWN_REJECTIONS = 3
_FORMER = "it was in production before: promote it by name to bring it back"


@dataclass(frozen=True)
class Selection:
    """The outcome: the version to promote, if any, and a verdict on every version considered, best first."""

    status: Status
    metric: str
    direction: str
    message: str
    selected: Version | None
    champion: Version | None
    verdicts: tuple[Verdict, ...]
    replaces: Version | None = None
    """The version that the selected one would replace; not always the champion that it was compared with."""
    beside: tuple[Version, ...] = ()
    """The versions that would stay in production in other models of the group."""


def select(
    snapshot: Snapshot,
    rules: Select,
    target: Target,
    *,
    build: str | None = None,
    past: Past | None = None,
) -> Selection:
    """Choose the best version of the group.

    The champion is the group's version in production or, if there are several, the best one by the metric. A
    candidate is any other READY version that is not in use elsewhere (by a stage or an alias that ``include``
    does not list), was not in production before, and did not fail the check after an earlier promotion. With
    scope ``build``, its run must also carry this build's tag. The winner passes every gate and is better than
    the champion by at least ``min_improvement``. Ties go to the newer version, then to the first model name.

    Args:
        snapshot: The group, read with its runs.
        rules: The config's ``select`` section.
        target: What marks production.
        build: The build whose runs count, with scope ``build``.
        past: What was in production before; by default, what the group's own records say.

    Raises:
        UsageError: scope ``build`` without a build.
        Refused: a model's stage and alias are on different versions.
    """
    if rules.scope == "build" and not build:
        raise UsageError(
            "--scope build: no build is known",
            next_step="give --build ID, or run inside a Jenkins build (BUILD_TAG)",
        )
    snapshot.require_agreement(target)
    past = past or Past(snapshot.recorded)
    better = _ranking(rules)
    production = sorted(snapshot.production(target), key=better)
    former = _formerly_in_production(snapshot, target)
    candidates: list[Verdict] = []
    excluded: list[Verdict] = []
    for version in sorted(snapshot.versions(), key=better):
        value = version.metric(rules.metric)
        if version in production:
            word = "in production now" if version == production[0] else "also in production"
            excluded.append(Verdict(version, value, "champion", word))
        elif reason := not_a_candidate(version, rules, target, build):
            excluded.append(Verdict(version, value, "excluded", reason))
        elif (version.model, version.number) in former:
            excluded.append(Verdict(version, value, "excluded", _FORMER))
        else:
            candidates.append(judge(version, rules))
    best = next((verdict.version for verdict in candidates if verdict.verdict == "passed"), None)
    champion = production[0] if production else None
    if best is None:
        status, message = _without_challenger(candidates, champion, rules)
        lost, back = ("", "") if production else past.lost(target)
        message += (f" N{lost[1:]} without this tool." if lost else "") + (f" {back}." if back else "")
    else:
        result = challenge(best, production, rules, target, past)
        status, message = result.outcome, result.message
        candidates = [_final(verdict, best, result) for verdict in candidates]
    return Selection(
        status=status,
        metric=rules.metric,
        direction=rules.direction,
        message=message,
        selected=best if status == "selected" else None,
        champion=champion,
        verdicts=(*candidates, *excluded),
    )


def _formerly_in_production(snapshot: Snapshot, target: Target) -> set[tuple[str, int]]:
    """The versions that this tool has put into production, themselves or as a copy, and that are not there now.

    They were replaced, rolled back or taken out, and a better metric must not undo that. A stage shows it, too
    (Archived), an alias does not.
    """
    recorded = [version for version in snapshot.versions() if version.recorded_time]
    former = [version for version in recorded if not version.in_production(target)]
    copies = {copied_from(version.source) for version in former if version.model == target.copy_to}
    serving = {copied_from(version.source) for version in snapshot.production(target)}
    named = {(version.model, version.number) for version in former}
    return named | {origin for origin in copies - serving if origin is not None}


def _ranking(rules: Select) -> Callable[[Version], tuple[float, int, str, int]]:
    """A sort key that puts the best version first and versions without a usable metric last."""
    sign = -1.0 if rules.direction == "maximize" else 1.0

    def key(version: Version) -> tuple[float, int, str, int]:
        value = version.metric(rules.metric)
        return (
            math.inf if value is None else sign * value,
            -version.first_created,
            version.model,
            -version.number,
        )

    return key


def _final(verdict: Verdict, best: Version, result: Challenge) -> Verdict:
    """The verdict after the comparison: the best candidate wins or not; the others were not the best."""
    if verdict.version == best:
        word: Literal["selected", "not better"] = "selected" if result.outcome == "selected" else "not better"
        return replace(verdict, verdict=word, reason=result.reason)
    if verdict.verdict == "passed":
        return replace(verdict, reason=f"passes, but {short_name(best)} ranks higher")
    return verdict


def _without_challenger(
    candidates: list[Verdict], champion: Version | None, rules: Select
) -> tuple[Status, str]:
    if candidates:
        shown = [
            f"{short_name(verdict.version)}: {verdict.reason}." for verdict in candidates[:_SHOWN_REJECTIONS]
        ]
        more = len(candidates) - len(shown)
        count = len(candidates)
        if rules.gates and any(verdict.version.metric(rules.metric) is not None for verdict in candidates):
            who = f"None of {count} candidates passes" if count > 1 else "The only candidate does not pass"
            what = "the gates"
        else:
            who = f"None of {count} candidates has a" if count > 1 else "The only candidate has no"
            what = f"{rules.metric} to compare"
        lines = [
            f"{who} {what}; production is unchanged.",
            *shown,
            *([f"And {more} more."] if more else []),
        ]
        return "no_candidate", " ".join(lines)
    if champion and rules.scope == "group":
        value = champion.metric(rules.metric)
        shown_value = "" if value is None else f" ({number(value)})"
        return "champion_kept", f"Kept {short_name(champion)}{shown_value}: there is no other candidate."
    return "no_candidate", "There is no candidate to choose from; production is unchanged."
