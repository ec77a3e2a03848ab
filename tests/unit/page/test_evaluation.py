"""What the report says of a version's predictions and pictures, and what of it is kept between commands."""

from __future__ import annotations

import json
import struct
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from jenkins_mlflow.commands.evaluation import _evaluation, compared
from jenkins_mlflow.page.charts import charts
from jenkins_mlflow.page.evaluation import (
    CLASSES,
    Evaluation,
    Picture,
    choose_pictures,
    evaluations,
    is_picture,
    measured,
)
from jenkins_mlflow.page.predictions import Row
from jenkins_mlflow.page.view import view
from jenkins_mlflow.page.writing import page, twin
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.version import Version

HOSTILE = "<script>alert(1)</script>\"'|`{{7*7}}\x1b"


def png(width: int = 640, height: int = 480) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0"


def scored(*pairs: tuple[str, float | None]) -> list[Row]:
    return [Row(label, score, "") for label, score in pairs]


def test_two_classes_with_scores() -> None:
    """The greater label is the positive one; without predictions a probability above a half is one of it."""
    found = measured(scored(("no", 0.1), ("no", 0.5), ("yes", 0.7), ("yes", 0.4)))
    assert (found["rows"], found["positive"], found["notes"]) == (4, "yes", ())
    assert found["roc"].area == pytest.approx(0.75)
    assert found["precision_recall"].shown == "0.8333"
    assert (found["classes"], found["matrix"]) == (("no", "yes"), ((2, 0), (1, 1)))


def test_scores_that_are_no_probabilities_predict_nothing() -> None:
    """A margin has its curves, and no matrix as long as no predictions are logged."""
    found = measured(scored(("0", -1.5), ("1", 2.5)))
    assert (found["roc"].area, found["classes"], found["matrix"]) == (1.0, (), ())
    found = measured([Row("0", -1.5, "0"), Row("1", 2.5, "0")])
    assert (found["classes"], found["matrix"]) == (("0", "1"), ((1, 0), (1, 0)))


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        (scored(("1", 0.2), ("1", 0.9)), ["no curves: the labels have 1 class instead of 2"]),
        (scored(("1", 0.2), ("2", 0.9), ("3", 0.9)), ["no curves: the labels have 3 classes instead of 2"]),
        (
            scored(("1", 0.2), ("0", None)),
            ["no curves: only one class has scores", "1 row without a finite score left out of the curves"],
        ),
        (
            scored(("1", 0.2), ("", 0.3), ("0", 0.1), ("0", None)),
            ["1 row without a label left out", "1 row without a finite score left out of the curves"],
        ),
        (
            [Row(str(at), None, str(at)) for at in range(21)],
            ["no confusion matrix: 21 classes, more than 20"],
        ),
        ([], []),
    ],
)
def test_what_is_missing_is_said(rows: list[Row], notes: list[str]) -> None:
    found = measured(rows)
    assert list(found["notes"]) == notes
    assert len(found["classes"]) <= CLASSES


def test_of_several_pictures_those_on_other_data_than_the_training_count() -> None:
    """The names that MLflow gives, with the prefix that evaluate takes; a team's own name; nothing in a folder."""
    names = ["training_roc_curve.png", "val_roc_curve_plot.png", "training_confusion_matrix.png", "x.png"]
    assert choose_pictures(names) == {
        "roc": "val_roc_curve_plot.png",
        "confusion": "training_confusion_matrix.png",
    }
    assert choose_pictures(["precision_recall_curve_plot.png", "../roc_curve.png", "roc_curve.png.html"]) == {
        "precision-recall": "precision_recall_curve_plot.png"
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(), True),
        (png(4096, 1), True),
        (png(4097, 1), False),
        (png(0, 1), False),
        (png()[:20], False),
        (b"GIF89a00" + png()[8:], False),
        (b"<svg onload=alert(1)>" + png(), False),
        (b"GIF89a" + b"\0" * 30, False),
        (b"", False),
    ],
)
def test_a_picture_is_a_png_of_a_bounded_size(content: bytes, expected: bool) -> None:
    assert is_picture(content) == expected


CANDIDATES = [
    {"model": "m", "version": 3, "verdict": "not better"},
    {"model": "m", "version": 2, "verdict": "champion"},
]
CHAMPION = {"model": "m", "version": 2, "value": 0.9}


@pytest.mark.parametrize(
    ("document", "here", "expected"),
    [
        (
            {"command": "select", "candidates": CANDIDATES, "champion": CHAMPION},
            True,
            {"challenger": ("m", 3), "champion": ("m", 2)},
        ),
        (
            {"command": "promote", "model": "m", "version": 4, "previous": {"model": "m", "version": 3}},
            True,
            {"challenger": ("m", 4), "champion": ("m", 3)},
        ),
        (
            {
                "command": "promote",
                "model": None,
                "selection": {"candidates": CANDIDATES, "champion": CHAMPION},
            },
            True,
            {"challenger": ("m", 3), "champion": ("m", 2)},
        ),
        (  # the selection of another server's promotion has this server's numbers
            {
                "command": "promote",
                "model": None,
                "selection": {"candidates": CANDIDATES, "champion": CHAMPION},
            },
            False,
            {},
        ),
        (
            {"command": "promote", "model": "m", "version": 2, "selection": {"champion": CHAMPION}},
            True,
            {"challenger": ("m", 2)},
        ),
        ({"command": "select", "candidates": [], "champion": None}, True, {}),
    ],
)
def test_which_versions_a_result_compares(
    document: dict[str, Any], here: bool, expected: dict[str, Any]
) -> None:
    assert compared(document, here=here) == expected


def evaluation_document(*found: Evaluation) -> dict[str, Any]:
    items = json.loads(json.dumps([asdict(each) for each in found]))
    return {"command": "evaluation", "items": items}


def test_what_is_kept_is_read_back() -> None:
    pictures = (Picture("roc", "roc_curve.png"),)
    rows = scored(("0", 0.1), ("1", 0.9), ("0", 0.2))
    found = Evaluation("champion", "m", 2, file="predictions.csv", pictures=pictures, **measured(rows))
    assert evaluations(evaluation_document(found)) == (found,)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "../../etc/passwd"},
        {"pictures": [{"kind": "../x", "source": ""}]},
        {"roc": {"points": [[0, float("nan")]], "area": 1}},
        {"roc": {"points": [[0, 7]], "area": 1}},
        {"roc": {"points": [[0, 0]] * 5000, "area": 1}},
        {"classes": ["x"] * 21},
        {"matrix": [["x"]]},
        {"version": "1"},
    ],
)
def test_a_file_of_somebody_else_counts_as_none(change: dict[str, Any]) -> None:
    """The report's folder lies in a workspace: no name of a file and no endless list is taken from it."""
    document = evaluation_document(Evaluation("champion", "m", 2))
    assert len(evaluations(document)) == 1
    document["items"][0] |= change
    assert evaluations(document) == ()
    assert evaluations({"items": {}}) == evaluations({}) == ()


@pytest.mark.parametrize("points", [[], [[0, 0]]])
def test_a_curve_of_hardly_any_points_is_drawn(points: list[list[float]]) -> None:
    """A kept file may hold as few as it likes."""
    document = evaluation_document(Evaluation("champion", "m", 2))
    document["items"][0] |= {
        key: {"points": points, "area": float("nan")} for key in ("roc", "precision_recall")
    }
    assert sorted(charts(view({"evaluation": document}, ""))) == ["precision-recall.svg", "roc.svg"]


@pytest.mark.parametrize(
    "uri", ["http://[", "", "s3://bucket/x", "mlflow-artifacts:/a%2e/b", "/nowhere/\0", "x"]
)
def test_an_address_that_leads_nowhere_is_nothing(uri: str, tmp_path: Path) -> None:
    """Whatever a run gives as the place of its artifacts, without a request."""
    registry = Registry(connect("http://127.0.0.1:9"))
    assert _evaluation(registry, tmp_path, "champion", Version("m", 2), uri) == Evaluation("champion", "m", 2)


def test_a_disk_that_is_full_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promotion is done when its report is made: a file that cannot be kept for a moment is left out."""
    run = tmp_path / ("0" * 32) / "artifacts"
    run.mkdir(parents=True)
    (run / "predictions.csv").write_text("label,score\n1,0.9\n0,0.1\n")
    registry = Registry(connect("http://127.0.0.1:9"))
    asked = (registry, tmp_path, "champion", Version("m", 2), str(run))
    assert _evaluation(*asked).file == "predictions.csv"  # type: ignore[arg-type]

    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", lambda *_, **__: full())
    assert _evaluation(*asked).file == ""  # type: ignore[arg-type]


def test_hostile_names_in_every_place() -> None:
    """Labels, the model, a picture's name and notes are text on the page, in the charts and in the twin."""
    rows = [Row(HOSTILE, 0.1, HOSTILE), Row("a", 0.9, "a")]
    found = Evaluation("challenger", HOSTILE, 1, file="predictions.csv", **measured(rows))
    drawn = Evaluation("champion", HOSTILE, 2, pictures=(Picture("roc", HOSTILE),), notes=(HOSTILE,))
    shown = view({"promote": {"message": "x"}, "evaluation": evaluation_document(found, drawn)}, "")
    pictures = charts(shown)
    assert sorted(pictures) == ["precision-recall.svg", "roc.svg"]
    text = page(shown, pictures)
    assert text.count('src="champion-roc.png"') == 1
    assert "{{7*7}}" in text
    for each in (text, *pictures.values()):
        assert "<script" not in each
        assert "\x1b" not in each
    assert "\x1b" not in twin(shown)
    assert "| ``<script>" in twin(shown)


def test_the_page_has_the_curves_and_matrices_as_text() -> None:
    """A table with the areas below the charts; a row of cells for each true class, with its head."""
    rows = scored(("0", 0.1), ("1", 0.9), ("0", 0.7))
    found = Evaluation("challenger", "m", 3, file="predictions.csv", **measured(rows))
    shown = view({"promote": {"message": "x"}, "evaluation": evaluation_document(found)}, "")
    text = page(shown, charts(shown))
    assert "ROC curves of challenger and champion; the table below has their areas" in text
    assert '<td>challenger</td><td class="number">3</td><td>1</td><td class="number">1</td>' in text
    assert (
        '<tr><th scope="row">0</th><td class="number">1 (50 %)</td><td class="number">1 (50 %)</td></tr>'
        in text
    )
    assert "| m v3 | challenger | 3 | 1 | 1 | 1 | predictions.csv |" in twin(shown)
