"""Choosing the version to promote: rank the candidates by metric, apply the gates, compare with the champion. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jenkins_mlflow.config.schema import Gate, Select
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.snapshot import ARCHIVED, READY, Snapshot, Target, Version
from jenkins_mlflow.tags import BUILD_TAG, CHECK_TAG, FAILED, LOST, OUTCOME_TAG
from jenkins_mlflow.text import number

Status = Literal["selected", "champion_kept", "no_candidate"]


@dataclass(frozen=True)
class GateResult:
    """One gate applied to one candidate; ``value`` is None when the run has no finite value of the metric."""

    metric: str
    rule: str
    value: float | None
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """What became of one version, in one word and one sentence."""

    version: Version
    value: float | None
    verdict: Literal["selected", "passed", "champion", "not better", "rejected", "excluded"]
    reason: str
    gates: tuple[GateResult, ...] = ()


@dataclass(frozen=True)
class Selection:
    """The outcome: the version to promote, if any, and a verdict for every version looked at, best first."""

    status: Status
    metric: str
    direction: str
    message: str
    selected: Version | None
    champion: Version | None
    verdicts: tuple[Verdict, ...]
    replaces: Version | None = None
    """What the selected version would take production from; not always the champion that it was compared with."""

    def document(self) -> dict[str, Any]:
        """The selection as the JSON document's own part."""
        return {
            "status": self.status,
            "message": self.message,
            "metric": self.metric,
            "direction": self.direction,
            "selected": _brief(self.selected, self.metric),
            "champion": _brief(self.champion, self.metric),
            "replaces": _brief(self.replaces, self.metric),
            "candidates": [
                {
                    "model": verdict.version.model,
                    "version": verdict.version.number,
                    "run_id": verdict.version.run_id,
                    "value": verdict.value,
                    "verdict": verdict.verdict,
                    "reason": verdict.reason,
                    "gates": [vars(gate) for gate in verdict.gates],
                }
                for verdict in self.verdicts
            ],
        }


def _brief(version: Version | None, metric: str) -> dict[str, Any] | None:
    if version is None:
        return None
    return {**version.place, "value": version.metric(metric)}


def select(snapshot: Snapshot, rules: Select, target: Target, *, build: str | None = None) -> Selection:
    """Choose the best version of the group.

    The champion is the group's version in production; of several, the best by the metric. A candidate is any other
    READY version that is not archived (an archived one left production once: promote it by name), did not fail the
    check after an earlier promotion and, with scope ``build``, whose run carries this build's tag. The winner passes
    every gate and beats the champion by more than nothing and at least ``min_improvement``. Ties go to the newer
    version, then to the model's name.

    Args:
        snapshot: The group, read with runs.
        rules: The config's ``select`` section.
        target: What marks production.
        build: The build whose runs count, with scope ``build``.

    Raises:
        UsageError: scope ``build`` without a build.
    """
    if rules.scope == "build" and not build:
        raise UsageError(
            "--scope build: no build is known",
            next_step="give --build ID, or run inside a Jenkins build (BUILD_TAG)",
        )
    better = _ranking(rules)
    champion = min(snapshot.production(target), key=better, default=None)
    candidates: list[Verdict] = []
    excluded: list[Verdict] = []
    for version in sorted(snapshot.versions(), key=better):
        value = version.metric(rules.metric)
        if version.in_production(target):
            word = "in production now" if version == champion else "also in production"
            excluded.append(Verdict(version, value, "champion", word))
        elif reason := _not_a_candidate(version, rules.scope, build):
            excluded.append(Verdict(version, value, "excluded", reason))
        else:
            candidates.append(_judge(version, rules))
    passed = [verdict for verdict in candidates if verdict.verdict == "passed"]
    winner, note = _challenge(passed[0].version, champion, rules) if passed else (False, "")
    if passed:
        candidates = [_final(verdict, passed[0], winner=winner, note=note) for verdict in candidates]
    status, message = _outcome(candidates, passed, champion, rules, winner=winner, note=note)
    return Selection(
        status=status,
        metric=rules.metric,
        direction=rules.direction,
        message=message,
        selected=passed[0].version if winner else None,
        champion=champion,
        verdicts=(*candidates, *excluded),
    )


def _ranking(rules: Select) -> Callable[[Version], tuple[float, int, str, int]]:
    """A sort key: best first, versions without a usable metric last."""
    sign = -1.0 if rules.direction == "maximize" else 1.0

    def key(version: Version) -> tuple[float, int, str, int]:
        value = version.metric(rules.metric)
        return (math.inf if value is None else sign * value, -version.created, version.model, -version.number)

    return key


def _not_a_candidate(version: Version, scope: str, build: str | None) -> str:
    if version.status != READY:
        return f"its status is {version.status}, not READY"
    if version.stage == ARCHIVED:
        return "archived: it left production before; promote it by name to bring it back"
    if version.tags.get(CHECK_TAG) == FAILED:
        return "it failed the check after its promotion; promote it by name to try again"
    if scope == "build" and (version.run is None or version.run.tags.get(BUILD_TAG) != build):
        return f"not trained by build {build}"
    if version.run and version.run.tags.get(OUTCOME_TAG) == LOST:
        return "its training was lost with its agent, before it had ended"
    return ""


def _judge(version: Version, rules: Select) -> Verdict:
    gates = tuple(_apply(name, gate, version) for name, gate in rules.gates.items())
    value = version.metric(rules.metric)
    failed = [
        f"{gate.metric} {number(gate.value, rules.gates[gate.metric].limit)} is not {gate.rule}"
        if gate.value is not None
        else f"gate {gate.metric} {gate.rule}: {_why_missing(version, gate.metric)}"
        for gate in gates
        if not gate.passed
    ]
    if value is None:
        failed.insert(0, _why_missing(version, rules.metric))
    if failed:
        return Verdict(version, value, "rejected", "; ".join(failed), gates)
    return Verdict(version, value, "passed", "passes every gate" if gates else "no gates to pass", gates)


def _apply(name: str, gate: Gate, version: Version) -> GateResult:
    value = version.metric(name)
    return GateResult(name, str(gate), value, value is not None and gate.holds(value))


def _why_missing(version: Version, metric: str) -> str:
    if version.run is None:
        return f"{metric} unknown: the version has no run"
    known: Mapping[str, float] = version.run.metrics
    if metric in known:
        return f"{metric} is {known[metric]}, no number to compare"
    return f"{metric} was not logged (logged: {', '.join(sorted(known)[:8]) or 'nothing'})"


def _challenge(best: Version, champion: Version | None, rules: Select) -> tuple[bool, str]:
    """Whether the best candidate beats the champion, and why."""
    new = best.metric(rules.metric)
    old = champion.metric(rules.metric) if champion else None
    if champion is None:
        return True, "nothing is in production yet"
    if new is None or old is None:
        return True, f"the champion {champion.label} has no usable {rules.metric}, so it cannot defend itself"
    gain = new - old if rules.direction == "maximize" else old - new
    needed = rules.min_improvement
    if gain > 0 and (gain >= needed or math.isclose(gain, needed, rel_tol=1e-9, abs_tol=1e-12)):
        return True, f"better than the champion {champion.label} ({number(old)}) by {number(gain)}"
    head = f"champion {champion.label} has {number(old)}"
    if gain > 0:
        return False, f"{head}: a gain of {number(gain, needed)} where at least {number(needed)} is needed"
    return (
        False,
        f"{head}, better by {number(-gain)}" if gain else f"{head} too, and a tie keeps the champion",
    )


def _final(verdict: Verdict, best: Verdict, *, winner: bool, note: str) -> Verdict:
    """The verdict after the comparison: the best one wins or does not, the others were simply not the best."""
    if verdict is best:
        word: Literal["selected", "not better"] = "selected" if winner else "not better"
        return Verdict(verdict.version, verdict.value, word, note, verdict.gates)
    if verdict.verdict == "passed":
        reason = f"passes, but {best.version.label} ranks higher"
        return Verdict(verdict.version, verdict.value, "passed", reason, verdict.gates)
    return verdict


def _outcome(
    candidates: list[Verdict],
    passed: list[Verdict],
    champion: Version | None,
    rules: Select,
    *,
    winner: bool,
    note: str,
) -> tuple[Status, str]:
    if passed:
        best = passed[0]
        value = number(best.value) if best.value is not None else "?"
        head = f"{best.version.label} with {rules.metric} {value}: {note}"
        return ("selected", f"selected {head}") if winner else ("champion_kept", f"kept the champion; {head}")
    if candidates:
        return (
            "no_candidate",
            f"none of {len(candidates)} candidates passes the gates; production is unchanged",
        )
    if champion and rules.scope == "group":
        return "champion_kept", f"kept the champion {champion.label}: there is no other candidate"
    return "no_candidate", "there is no candidate version to choose from; production is unchanged"
