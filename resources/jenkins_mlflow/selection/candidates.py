"""Decides which versions are candidates, and applies the gates to each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jenkins_mlflow.config.gates import Gate
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.registry.unfit import failed_check, is_own, wrongly_trained
from jenkins_mlflow.registry.version import (
    ARCHIVED,
    NO_STAGE,
    PRODUCTION,
    READY,
    STAGING,
    UNCLEAR,
    Target,
    Version,
)
from jenkins_mlflow.tags import PROMOTED_AT
from jenkins_mlflow.text import listed, number, printable

_NAMED = 3


@dataclass(frozen=True)
class GateResult:
    """One gate applied to one candidate; ``value`` is None if the run has no comparable value for the metric."""

    metric: str
    rule: str
    value: float | None
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """The verdict on one version, in one word and one sentence."""

    version: Version
    value: float | None
    verdict: Literal["selected", "passed", "champion", "not better", "rejected", "excluded"]
    reason: str
    gates: tuple[GateResult, ...] = ()


def not_a_candidate(version: Version, rules: Select, target: Target, build: str | None) -> str:
    """Why a version that is not in production is not a candidate; empty if it is one."""
    if version.status != READY:
        return f"its status is {version.status}, not READY"
    if target.is_beside(version):
        return f"in {PRODUCTION}, which it would leave for {target.stage}"
    if elsewhere := _serves_elsewhere(version, rules, target, build):
        return elsewhere
    if failed := failed_check(version):
        return str(failed)
    if rules.scope == "build" and not is_own(version, build):
        return f"not trained by build {build}"
    return doubt(version, build)


def doubt(version: Version, build: str | None) -> str:
    """Why only a person may choose a version, by its run; empty if there is no reason.

    Its training belongs to a change request, ended badly, or was thrown away; or its metrics may be another model's.
    """
    if wrong := wrongly_trained(version, build):
        return str(wrong)
    unclear = version.run is not None and version.run.unclear
    return f"{UNCLEAR}: promote it by name" if unclear else ""


def _serves_elsewhere(version: Version, rules: Select, target: Target, build: str | None) -> str:
    """Why the version is in use elsewhere, so that a promotion would take it away from somebody; else empty."""
    if version.model == target.copy_to:
        return "a version of the production model: promote it by name to bring it back"
    stages, aliases = rules.include.stages, rules.include.aliases
    named = (PRODUCTION, STAGING) if stages == "all" else stages
    if version.stage != NO_STAGE and version.stage not in named:
        if version.stage == ARCHIVED:
            if is_own(version, build) and PROMOTED_AT not in version.record:
                return ""  # archived by a script that itself promoted another version that it trained
            return "archived: promote it by name to bring it back"
        return (
            f"in {version.stage}, another stage than {target.stage or 'none'}: promote it by name, "
            "or name the stage in select.include.stages"
        )
    other = next((alias for alias in version.aliases if aliases != "all" and alias not in aliases), None)
    if other:
        return f"has the alias {other}: promote it by name, or name the alias in select.include.aliases"
    return ""


def judge(version: Version, rules: Select) -> Verdict:
    """Apply the gates to a candidate. It is also rejected if it lacks the ranking metric."""
    gates = tuple(_apply(name, gate, version) for name, gate in rules.gates.items())
    value = version.metric(rules.metric)
    failed = [
        f"{gate.metric} {number(gate.value, rules.gates[gate.metric].limit)} is not {gate.rule}"
        if gate.value is not None
        else f"gate {gate.metric} {gate.rule}: {why_missing(version, gate.metric)}"
        for gate in gates
        if not gate.passed
    ]
    if value is None:
        failed.insert(0, why_missing(version, rules.metric))
    if failed:
        return Verdict(version, value, "rejected", "; ".join(failed), gates)
    return Verdict(version, value, "passed", "passes every gate" if gates else "no gates to pass", gates)


def _apply(name: str, gate: Gate, version: Version) -> GateResult:
    value = version.metric(name)
    return GateResult(name, str(gate), value, value is not None and gate.holds(value))


def why_missing(version: Version, metric: str) -> str:
    """Why ``Version.metric`` returns no value."""
    if version.run is None:
        return f"{metric} unknown: the version has no run"
    if version.run.unclear:
        return f"{metric} unknown: {UNCLEAR}"
    if datasets := version.run.mixed.get(metric):
        named = listed([printable(name) for name in datasets], _NAMED)
        return (
            f"{metric} unknown: its run logged it for several datasets ({named}); "
            "log it under another name for each of them"
        )
    known = version.run.metrics
    if metric in known:
        return f"{metric} is {number(known[metric])}, which cannot be compared"
    logged = ", ".join(sorted(known)[:8]) or "nothing"
    if version.run.of_model:
        return (
            f"{metric} was not logged for its model {version.run.of_model}, one of several that its run logged "
            f"(logged for it: {logged})"
        )
    return f"{metric} was not logged (logged: {logged})"
