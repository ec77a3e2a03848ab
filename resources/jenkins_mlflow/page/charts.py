"""Draws the report's charts with pygal: SVG files without scripts, readable on light and on dark pages."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree import ElementTree as ET

from jenkins_mlflow.page.evaluation import Drawn, Evaluation
from jenkins_mlflow.page.view import Candidate, Past, View
from jenkins_mlflow.text import number

if TYPE_CHECKING:
    from pygal.graph.graph import Graph

_SVG = "{http://www.w3.org/2000/svg}"
_BLUE, _GREEN, _GREY, _RED = "#3b82f6", "#15a34a", "#7c8594", "#dc2626"
_VERDICTS = {"selected": _GREEN, "champion": _BLUE, "rejected": _RED}
_OUTCOMES = {"done": _GREEN, "failed": _RED, "undone": _RED, "not undone": _RED, "not verified": _RED}
_ROLES = {"challenger": _GREEN, "champion": _BLUE}
_MOST = 20
_LARGEST, _SMALLEST = 1e100, 1e-100
_PLAIN: Mapping[str, Any] = {}
Measured = TypeVar("Measured", Candidate, Past)


def charts(shown: View) -> dict[str, str]:
    """The charts by file name; those without data are left out."""
    found = {}
    drawn = _drawn(shown.candidates)
    measured = _foremost(drawn)[::-1]
    if measured:
        more = len(drawn) - len(measured)
        bars = _chart(
            "HorizontalBar", len(measured), x_title=f"and {more} more, see the table" if more else ""
        )
        bars.x_labels = [_label(f"{each.model} v{each.version}") for each, _ in measured]
        values = [{"value": value, "color": _VERDICTS.get(each.verdict, _GREY)} for each, value in measured]
        bars.add("", values)
        found["candidates.svg"] = _svg(bars)
    past = _drawn(shown.past)[-_MOST:]
    if len(past) > 1:
        line = _chart("Line", 6, x_label_rotation=20, dots_size=4)
        line.x_labels = [f"{_label(each.label, 30)} {each.when[:10]}" for each, _ in past]
        line.add(shown.metric or "metric", [{"value": value, "color": _BLUE} for _, value in past])
        found["history.svg"] = _svg(line)
    if any(each.roc for each in shown.evaluations):
        lines = [(each, each.roc, "AUC") for each in shown.evaluations]
        found["roc.svg"] = _curves(lines, "false positive rate", "true positive rate", chance=True)
    if any(each.precision_recall for each in shown.evaluations):
        lines = [(each, each.precision_recall, "average precision") for each in shown.evaluations]
        found["precision-recall.svg"] = _curves(lines, "recall", "precision")
    if shown.attempts:
        found["attempts.svg"] = _attempts(shown)
    return found


def drawable(value: float) -> float | None:
    """A number as a chart can show it, to 12 digits, the tiniest as zero; None if no chart can show it.

    pygal never finds a scale for two adjacent floats, and finds none at all beyond some powers of ten.

    >>> [drawable(value) for value in (0.8333333333333334, 1e-200, -1e200)]
    [0.833333333333, 0.0, None]
    """
    if not abs(value) <= _LARGEST:
        return None
    return float(f"{value:.12g}") if abs(value) >= _SMALLEST else 0.0


def _drawn(measured: Sequence[Measured]) -> list[tuple[Measured, float]]:
    """The items that a chart can show, each with its number."""
    pairs = ((each, drawable(each.value)) for each in measured if each.value is not None)
    return [(each, value) for each, value in pairs if value is not None]


def _foremost(drawn: list[tuple[Candidate, float]]) -> list[tuple[Candidate, float]]:
    """As many as a picture shows, in their order: the selected version and the champion, then the best."""
    first = sorted(drawn, key=lambda each: each[0].verdict not in ("selected", "champion"))[:_MOST]
    return [each for each in drawn if each in first]


def _label(name: str, longest: int = 45) -> str:
    """A version's name, without its middle if it is so long that no room is left for the picture."""
    half = longest // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def _curves(
    lines: Sequence[tuple[Evaluation, Drawn | None, str]], across: str, up: str, *, chance: bool = False
) -> str:
    """The curves of the versions in one chart; the champion's is dashed, so that colours are not needed."""
    colors = tuple(_ROLES[each.role] for each, curve, _ in lines if curve)
    chart = _chart(
        "XY",
        8,
        look={"colors": (*colors, _GREY), "stroke_width": "2.5"},
        show_legend=True,
        legend_at_bottom=True,
        legend_at_bottom_columns=1,
        show_dots=False,
        xrange=(0, 1),
        range=(0, 1),
        x_title=across,
        y_title=up,
    )
    for each, curve, area in lines:
        if curve:
            dashes = {"dasharray": "9,3"} if each.role == "champion" else {}
            chart.add(
                f"{_label(each.name)} ({each.role}): {area} {curve.shown}",
                list(curve.points),
                stroke_style=dashes,
            )
    if chance:
        chart.add("chance", [(0, 0), (1, 1)], stroke_style={"dasharray": "2,4"})
    return _svg(chart)


def _attempts(shown: View) -> str:
    """Each attempt as a bar that starts where the previous one ended."""
    chart = _chart("HorizontalStackedBar", len(shown.attempts))
    begun, ends = [], []
    clock = 0.0
    for _, _, outcome, took, _ in shown.attempts[:_MOST]:
        seconds = drawable(took) or 0.0
        begun.append({"value": clock, "color": "transparent"})
        ends.append({"value": max(seconds, 0.005), "color": _OUTCOMES.get(outcome, _GREY)})
        clock += seconds
    chart.x_labels = [
        f"{method} ({trial})" if trial else method for method, trial, *_ in shown.attempts[:_MOST]
    ][::-1]
    chart.add("begun", begun[::-1])
    chart.add("seconds", ends[::-1])
    return _svg(chart)


def _chart(kind: str, rows: int, *, look: Mapping[str, Any] = _PLAIN, **more: Any) -> Graph:
    import pygal
    from pygal.style import Style

    # pygal's finder, needed only for maps, uses an interface that Python has removed: every later import
    # would warn.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="#6b7280",
        foreground_strong="#6b7280",
        foreground_subtle="#9ca3af",
        font_family="sans-serif",
        label_font_size=13,
        major_label_font_size=13,
        value_font_size=13,
        opacity="1",
        opacity_hover="1",
        transition="0s",
        guide_stroke_color="#9ca3af",
        major_guide_stroke_color="#9ca3af",
        legend_font_size=13,
        title_font_size=13,
        **{"colors": (_BLUE,), **look},
    )
    dark = "inline:@media (prefers-color-scheme: dark){text{fill:#d1d5db !important}}"
    given = {
        "style": style,
        "width": 760,
        "height": 60 + 46 * max(rows, 2),
        "js": [],
        "css": ["file://style.css", "file://graph.css", dark],
        "show_legend": False,
        "print_values": kind == "HorizontalBar",
        "truncate_label": -1,
        "truncate_legend": -1,
        "margin": 12,
        "value_formatter": lambda value: number(value) if isinstance(value, int | float) else "",
    }
    return getattr(pygal, kind)(**{**given, **more})


def _svg(chart: Graph) -> str:
    """The chart without scripts: none runs in an image, and a content security policy would reject them."""
    tree = chart.render_tree()
    for parent in list(tree.iter()):
        for child in list(parent):
            if str(child.tag).removeprefix(_SVG) in ("script", "desc"):
                parent.remove(child)
    return ET.tostring(tree, encoding="unicode")
