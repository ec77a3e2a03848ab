"""The predictions of a version in the report: curves, a confusion matrix, pictures of its run. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from jenkins_mlflow.page.curves import Curve, confusion, ordered, precision_recall, roc
from jenkins_mlflow.page.predictions import Row
from jenkins_mlflow.text import number, plural, printable

CLASSES = 20
_CUT = 0.5
_LONGEST = 60
_WIDEST = 4096
Role = Literal["challenger", "champion"]
Kind = Literal["roc", "precision-recall", "confusion"]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_ENDS: Mapping[Kind, tuple[str, ...]] = {
    "roc": ("roc_curve_plot.png", "roc_curve.png"),
    "precision-recall": ("precision_recall_curve_plot.png", "precision_recall_curve.png"),
    "confusion": ("confusion_matrix.png",),
}
_ON_TRAINING_DATA = "training_"
TITLES: Mapping[Kind, str] = {
    "roc": "ROC curve",
    "precision-recall": "Precision-recall curve",
    "confusion": "Confusion matrix",
}


@dataclass(frozen=True)
class Drawn:
    """A curve with its area."""

    points: Annotated[tuple[tuple[_Share, _Share], ...], msgspec.Meta(max_length=1000)]
    area: float

    @property
    def shown(self) -> str:
        return number(self.area)


@dataclass(frozen=True)
class Picture:
    """A picture that the run has logged, by its name there."""

    kind: Kind
    source: str

    @property
    def shown(self) -> str:
        return printable(self.source)


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of one version.

    Attributes:
        rows: The number of predictions that count.
        file: The file of the table; empty if the run has none.
        positive: The label that the curves are about.
        classes: The classes of the confusion matrix.
        matrix: For each true class, how many rows were predicted as each class.
        notes: What is missing, and why.
    """

    role: Role
    model: str
    version: int
    file: str = ""
    rows: int = 0
    positive: str = ""
    roc: Drawn | None = None
    precision_recall: Drawn | None = None
    classes: Annotated[tuple[str, ...], msgspec.Meta(max_length=CLASSES)] = ()
    matrix: Annotated[tuple[tuple[int, ...], ...], msgspec.Meta(max_length=CLASSES)] = ()
    pictures: Annotated[tuple[Picture, ...], msgspec.Meta(max_length=len(TITLES))] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return printable(f"{self.model} v{self.version}")

    @property
    def empty(self) -> bool:
        return not (self.file or self.pictures)

    def picture(self, kind: Kind) -> str:
        """The file name of a picture in the report."""
        return f"{self.role}-{kind}.png"

    @property
    def lines(self) -> list[tuple[str, list[str]]]:
        """The matrix for people: each true class with its counts, each count with its share of the class."""
        return [
            (label, [f"{count} ({100 * count / max(sum(counts), 1):.0f} %)" for count in counts])
            for label, counts in zip(self.classes, self.matrix, strict=False)
        ]


def evaluations(document: Mapping[str, Any]) -> tuple[Evaluation, ...]:
    """The content of ``evaluation.json``; empty if it is damaged."""
    try:
        return msgspec.convert(document.get("items"), tuple[Evaluation, ...])
    except (msgspec.ValidationError, UnicodeError):  # half of a character is no text
        return ()


def measured(rows: Sequence[Row]) -> dict[str, Any]:
    """The curves and the matrix of a table, as arguments of ``Evaluation``."""
    labelled = [row for row in rows if row.label]
    labels = ordered({row.label for row in labelled})
    scored = [(row.score, row.label == labels[-1]) for row in labelled if row.score is not None]
    curves = len(labels) == 2 and len({positive for _, positive in scored}) == 2
    pairs = _pairs(labelled, labels)
    classes = ordered({label for pair in pairs for label in pair})
    shown = classes if len(classes) <= CLASSES else []
    return {
        "rows": len(labelled),
        "positive": _short(labels[-1]) if curves else "",
        "roc": _drawn(roc(scored)) if curves else None,
        "precision_recall": _drawn(precision_recall(scored)) if curves else None,
        "classes": tuple(map(_short, shown)),
        "matrix": tuple(map(tuple, confusion(pairs, shown))),
        "notes": tuple(_notes(rows, labelled, labels, len(scored), len(classes), curves=curves)),
    }


def choose_pictures(names: Iterable[str]) -> dict[Kind, str]:
    """The files among a run's artifacts that show each kind of picture, chosen by name.

    ``mlflow.models.evaluate`` logs roc_curve_plot.png with a prefix of the caller's choice, autologging for
    scikit-learn training_roc_curve.png (MLflow 2.22 to 3.17). Pictures from training count only if there are
    no others.
    """
    found: dict[Kind, str] = {}
    for name in sorted(names, key=lambda name: (name.startswith(_ON_TRAINING_DATA), name)):
        kind = next((kind for kind, ends in _ENDS.items() if name.endswith(ends)), None)
        if kind and "/" not in name:
            found.setdefault(kind, name)
    return found


def is_picture(content: bytes) -> bool:
    """Whether it is a PNG of a size that browsers can show."""
    if len(content) < 24 or content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR":
        return False
    return all(0 < side <= _WIDEST for side in struct.unpack(">II", content[16:24]))


def _pairs(rows: Sequence[Row], labels: Sequence[str]) -> list[tuple[str, str]]:
    """True and predicted class of each row; without the latter, a score above 0.5 means positive."""
    named = [(row.label, row.predicted) for row in rows if row.predicted]
    scores = [row.score for row in rows if row.score is not None]
    if named or len(labels) != 2 or not all(0 <= score <= 1 for score in scores):
        return named
    return [(row.label, labels[row.score > _CUT]) for row in rows if row.score is not None]


def _notes(
    rows: Sequence[Row],
    labelled: Sequence[Row],
    labels: Sequence[str],
    scored: int,
    classes: int,
    *,
    curves: bool,
) -> Iterator[str]:
    if without := len(rows) - len(labelled):
        yield f"{plural(without, 'row')} without a label left out"
    if scored and not curves:
        kinds = plural(len(labels), "class", "classes")
        yield (
            f"no curves: the labels have {kinds} instead of 2"
            if len(labels) != 2
            else ("no curves: only one class has scores")
        )
    if scored and (without := len(labelled) - scored):
        yield f"{plural(without, 'row')} without a finite score left out of the curves"
    if classes > CLASSES:
        yield f"no confusion matrix: {classes} classes, more than {CLASSES}"


def _drawn(curve: Curve) -> Drawn:
    return Drawn(tuple(curve.points), curve.area)


def _short(label: str) -> str:
    shown = printable(label)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
