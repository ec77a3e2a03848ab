"""Reading a table of predictions, whatever is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from jenkins_mlflow.page.evaluation import measured
from jenkins_mlflow.page.predictions import NAMES, Row, read_predictions

CSV, JSON = NAMES


def table(columns: list[Any], *rows: list[Any]) -> bytes:
    return json.dumps({"columns": columns, "data": list(rows)}).encode()


def test_a_csv_and_a_table_of_mlflow_are_read_alike() -> None:
    """Columns in any order, others among them; 1 and 1.0 are one class; quotes, a byte order mark, an index column."""
    text = b"\xef\xbb\xbf,prediction,age,score,label\r\n0,1.0,41,0.9,1\r\n1,0,52,0.25,0\r\n"
    assert read_predictions(CSV, b"\xef\xbb\xbflabel,score\n1,2\n") == [Row("1", 2, "")]
    rows = [Row("1", 0.9, "1"), Row("0", 0.25, "0")]
    assert read_predictions(CSV, text) == rows
    assert (
        read_predictions(JSON, table(["label", "score", "prediction"], [1, 0.9, 1.0], [0, 0.25, 0])) == rows
    )


def test_scores_that_are_none_and_labels_that_are_texts() -> None:
    """NaN, infinity, nothing and words are no scores; a short row has none either."""
    text = b'label,score\nyes,nan\n"no, really",inf\nyes,\nyes,high\nyes\n,0.5\n'
    expected = [("yes", None), ("no, really", None), ("yes", None), ("yes", None), ("yes", None), ("", 0.5)]
    assert [row[:2] for row in read_predictions(CSV, text)] == expected
    found = read_predictions(
        JSON, b'{"columns": ["label", "score"], "data": [[true, NaN], [null, 1], [[], 1e999]]}'
    )
    assert found == [Row("True", None, ""), Row("", 1.0, ""), Row("", None, "")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (CSV, b"", "predictions.csv has no column label"),
        (CSV, b"target,score\n1,0.5\n", "predictions.csv has no column label"),
        (
            CSV,
            b"label,probability\n1,0.5\n",
            "predictions.csv has neither a column score nor a column prediction",
        ),
        (
            CSV,
            b"label,score\n" + b"x" * 200_000,
            "predictions.csv is not CSV: field larger than field limit (131072)",
        ),
        (JSON, b"{", "predictions.json is not JSON"),
        (JSON, b"[" * 100_000, "predictions.json is not JSON"),
        (JSON, b"[1, 2]", "predictions.json is not a table of mlflow.log_table"),
        (
            JSON,
            b'{"columns": {"label": 1}, "data": []}',
            "predictions.json is not a table of mlflow.log_table",
        ),
        (JSON, b'{"columns": [["label"]], "data": []}', "predictions.json has no column label"),
    ],
)
def test_what_is_no_such_table(name: str, content: bytes, message: str) -> None:
    """Each says what is wrong with it."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_predictions(name, content)
    assert str(caught.value) == message


@given(st.sampled_from(NAMES), st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_do_more_than_be_refused(name: str, content: bytes) -> None:
    for start in (b"", b"label,score,prediction\n", b'{"columns": ["label", "score"], "data": [['):
        try:
            rows = read_predictions(name, start + content)
        except ValueError:
            continue
        measured(rows)
