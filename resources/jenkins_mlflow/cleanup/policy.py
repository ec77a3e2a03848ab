"""The retention policy: rules that keep versions of one model, each with a rank. Pure.

A version stays if any rule keeps it. A version that a finer rule keeps does not count towards the coarser
calendar rules, so an additional rule never makes another version go. The calendar rules are those of borg:
the last version of each of the newest days (weeks, months), and the oldest version as long as the rule is not
full.

A version is neither good nor bad if a metric that decides cannot be read: its run is hidden from the account, or
was deleted for good. Such a version stays and takes nobody's place, because it may be the best one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from jenkins_mlflow.config.cleanup import KeepBest, KeepRules
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.registry.unfit import unfit
from jenkins_mlflow.registry.version import READY, Version
from jenkins_mlflow.text import number, plural, span
from jenkins_mlflow.times import shown

UNKNOWN = "unknown"
"""The rule that keeps a version although a metric is unknown."""
_PERIODS: tuple[tuple[str, str], ...] = (("daily", "%Y-%m-%d"), ("weekly", "%G-W%V"), ("monthly", "%Y-%m"))


@dataclass(frozen=True)
class Kept:
    """The rule that keeps a version, its rank (0: the rule has no ranks), and both as text for people."""

    rule: str
    rank: int
    reason: str


def made(version: Version) -> int:
    """When the model was made, in milliseconds: a copy or a migrated version is younger than its run.

    The start of a run is the time of the machine that trained, or anything else that a script sent. The
    registration is the store's time, and no model is made after it.
    """
    started = version.run.started if version.run else 0
    return min(started, version.first_created) if started > 0 else version.first_created


def newest_first(versions: Iterable[Version]) -> list[Version]:
    return sorted(versions, key=lambda version: (made(version), version.number), reverse=True)


def uncounted(version: Version, select: Select) -> str:
    """Why no rule counts a version; empty if they count it: fit, READY, and every gate's metric within its limit."""
    if speaks_against := unfit(version):
        return f": {speaks_against.why}"
    values = {name: version.metric(name) for name in select.gates}
    passes = all(value is not None and select.gates[name].holds(value) for name, value in values.items())
    return "" if version.status == READY and passes else " (not READY, or a gate fails)"


def unknown(version: Version, rules: KeepRules, select: Select) -> str:
    """Why a metric that decides about a version is unknown; empty if all are known, or one known gate fails."""
    if version.status != READY or unfit(version):
        return ""
    values = {name: version.metric(name) for name in select.gates}
    if any(value is not None and not select.gates[name].holds(value) for name, value in values.items()):
        return ""
    best = (best_metric(rules.keep_best, select),) if rules.keep_best else ()
    return next(
        (f"{name} is unknown: {why}" for name in (*values, *best) if (why := version.unread(name))), ""
    )


def unlogged(versions: Sequence[Version], rules: KeepRules, select: Select) -> dict[str, tuple[str, ...]]:
    """The metrics that none of these versions has logged, by the key of the config that asks for them.

    A gate or a rule with such a metric cannot decide.
    """
    logged = {name for version in versions if version.run for name in version.run.metrics}
    best = (best_metric(rules.keep_best, select),) if rules.keep_best else ()
    wanted = {"select.gates": tuple(select.gates), "cleanup.keep_best": best}
    missing = {key: tuple(n for n in names if n not in logged) for key, names in wanted.items() if versions}
    return {key: names for key, names in missing.items() if names}


def keep(
    versions: Sequence[Version],
    rules: KeepRules,
    select: Select,
    *,
    now: float,
    unknown_stay: bool = True,
) -> dict[int, Kept]:
    """The versions that the rules keep, by number.

    Args:
        versions: Of one model, without those in production: they are kept anyway, and count towards no rule.
        rules: The rules for this model.
        select: The gates and the metric.
        now: Seconds since the epoch by the store's clock.
        unknown_stay: Whether a version with an unknown metric stays; otherwise the metric counts as missing.
    """
    kept: dict[int, Kept] = {}
    for version in versions:
        # A server's clock has whole seconds, so a version just created may seem to be from the future.
        age = max(now - version.created / 1000, 0.0)
        if age < rules.keep_within:
            kept[version.number] = Kept("within", 0, f"within {span(rules.keep_within)} ({span(age)} old)")
        elif unknown_stay and (why := unknown(version, rules, select)):
            reason = f"{why}; only --allow-remove-all with --model deletes it"
            kept[version.number] = Kept(UNKNOWN, 0, sys.intern(reason))
    countable = [v for v in newest_first(versions) if v.number not in kept and not uncounted(v, select)]
    best = _best(countable, rules, select)
    for rank, version in enumerate(countable[: rules.keep_last], start=1):
        kept[version.number] = Kept("last", rank, f"last {rank} of {rules.keep_last}")
    for rule, form in _PERIODS:
        _thin(countable, rule, form, getattr(rules, f"keep_{rule}"), kept)
    return best | kept


def best_metric(best: KeepBest, select: Select) -> str:
    """The metric that ``keep_best`` ranks by."""
    return best.metric or select.metric


def _best(countable: Sequence[Version], rules: KeepRules, select: Select) -> dict[int, Kept]:
    if rules.keep_best is None:
        return {}
    metric, count = best_metric(rules.keep_best, select), rules.keep_best.count
    sign = 1 if select.direction == "maximize" else -1
    measured = [(value, version) for version in countable if (value := version.metric(metric)) is not None]
    ranked = sorted(measured, key=lambda pair: sign * pair[0], reverse=True)[:count]
    return {
        version.number: Kept("best", rank, f"best {rank} of {count} ({metric} {number(value)})")
        for rank, (value, version) in enumerate(ranked, start=1)
    }


def _thin(countable: Sequence[Version], rule: str, form: str, count: int, kept: dict[int, Kept]) -> None:
    """Keep the last version of each of the newest periods; adds them to ``kept``."""
    rank, last = 0, ""
    for version in countable:
        period = shown(made(version), form)
        if rank < count and period != last and version.number not in kept:
            rank += 1
            kept[version.number] = Kept(rule, rank, f"{rule} #{rank}")
        last = period
    if rank < count and countable and countable[-1].number not in kept:
        kept[countable[-1].number] = Kept(rule, rank + 1, f"{rule} #{rank + 1} (oldest)")


def describe(rules: KeepRules, select: Select) -> list[str]:
    """The rules in words; none for an empty policy."""
    lines: list[tuple[bool, Callable[[], str]]] = [
        (rules.keep_last > 0, lambda: f"the last {_several(rules.keep_last, 'version')}"),
        (rules.keep_best is not None, lambda: _describe_best(rules, select)),
        (rules.keep_within > 0, lambda: f"every version younger than {span(rules.keep_within)}"),
        (rules.keep_daily > 0, lambda: _newest(rules.keep_daily, "day")),
        (rules.keep_weekly > 0, lambda: _newest(rules.keep_weekly, "week")),
        (rules.keep_monthly > 0, lambda: _newest(rules.keep_monthly, "month")),
    ]
    return [line() for applies, line in lines if applies]


def _describe_best(rules: KeepRules, select: Select) -> str:
    best = rules.keep_best
    assert best is not None
    return f"the best {_several(best.count, 'version')} by {best_metric(best, select)}"


def _newest(count: int, period: str) -> str:
    of = f"the newest {period}" if count == 1 else f"each of {plural(count, period)}"
    return f"the last version of {of}"


def _several(count: int, what: str) -> str:
    """After "the last": "version", "2 versions"."""
    return what if count == 1 else plural(count, what)
