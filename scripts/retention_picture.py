#!/usr/bin/env python3
"""Draws docs/pictures/retention.svg: over a year of nightly versions, and the rule that keeps each of them.

The policy is the one in docs/retention.md, and the plan is the one that a cleanup would make. `--check`
changes nothing and fails if the picture is stale.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import datetime, timedelta, timezone
from html import escape
from pathlib import Path

import yaml
from jenkins_mlflow.cleanup.plan import Item, plan_cleanup
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Run, Target, Version

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "retention.md"
PICTURE = ROOT / "docs" / "pictures" / "retention.svg"

NOW = datetime(2026, 12, 1, 6, tzinfo=timezone.utc)
NIGHTS = 420
BROKEN = range(9, 12)  # nights ago, with bad models
PRODUCTION = 40
MODEL = "heart-disease-svm"
COLORS = {
    "protected": ("#1f5fa8", "in production, or what a rollback returns to"),
    "within": ("#3a8f5c", "within 7 days"),
    "last": ("#8a5fb0", "one of the last 3 good ones"),
    "best": ("#c0392b", "one of the best 2"),
    "daily": ("#d98e04", "last of its day, 7 days"),
    "weekly": ("#0b8793", "last of its week, 4 weeks"),
    "monthly": ("#6b4a2b", "last of its month, 12 months"),
    "": ("#e4e4e4", "goes"),
}
CELL, LEFT, TOP = 22, 74, 40


def versions() -> list[Version]:
    """One version per night, each with a varying metric."""
    found = []
    for night in range(NIGHTS, 0, -1):
        made = NOW - timedelta(days=night - 1, hours=4)
        value = 0.5 if night in BROKEN else 0.82 + (night * 37 % 101) / 1000
        number = NIGHTS - night + 1
        run = Run(f"run{number}", {"roc_auc": value}, {}, int(made.timestamp() * 1000))
        stage = "Production" if night == PRODUCTION else "None"
        found.append(Version(MODEL, number, stage, created=run.started, run_id=run.run_id, run=run))
    return found


def plan() -> list[Item]:
    """The plan of a cleanup with the page's policy for these versions."""
    (text, *_) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    config = Config.model_validate(yaml.safe_load(text))
    drawn_versions = versions()
    group = Snapshot((Model(MODEL, tuple(reversed(drawn_versions))),))
    found = plan_cleanup(
        group,
        group,
        config.cleanup,
        Target("Production", "champion"),
        now=NOW.timestamp(),
        select=config.select,
    )
    return list(found.items)


def draw(items: list[Item]) -> str:
    """Draw one row per month, one cell per night."""
    days = {datetime.fromtimestamp(i.version.created / 1000, timezone.utc).date(): i for i in items}
    months = sorted({(day.year, day.month) for day in days})
    width, height = LEFT + 31 * CELL + 20, TOP + len(months) * CELL + 40 + 22 * 4
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="12">',
        "<style>text { font-family: sans-serif }</style>",
        f"<title>{NIGHTS} nightly versions and the rule that keeps each</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    lines += [f'<text x="{LEFT + (n - 1) * CELL + 6}" y="{TOP - 8}">{n}</text>' for n in range(1, 32)]
    for row, (year, month) in enumerate(months):
        lines.append(f'<text x="8" y="{TOP + row * CELL + 15}">{year}-{month:02}</text>')
    for day, item in days.items():
        x = LEFT + (day.day - 1) * CELL
        y = TOP + months.index((day.year, day.month)) * CELL
        color = COLORS[item.rule][0]
        rank = str(item.rank) if item.rank else ""
        lines.append(
            f"<g><title>{day} v{item.version.number}: {escape(item.reason)}</title>"
            f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" fill="{color}"/>'
            f'<text x="{x + 4}" y="{y + 15}" fill="white">{rank}</text></g>'
        )
    bottom = TOP + len(months) * CELL + 24
    for at, (rule, (color, label)) in enumerate(COLORS.items()):
        count = sum(item.rule == rule for item in items)
        x, y = 8 + (at % 2) * 370, bottom + (at // 2) * 22
        lines.append(
            f'<rect x="{x}" y="{y}" width="16" height="16" fill="{color}"/>'
            f'<text x="{x + 24}" y="{y + 13}">{escape(label)}: {count}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="fail if the picture is stale, write nothing")
    check = parser.parse_args().check
    text = draw(plan())
    if PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == text:
        return
    if check:
        sys.exit(f"{PICTURE.relative_to(ROOT)} is stale: run scripts/retention_picture.py")
    PICTURE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
