"""The fallback notice says what a person needs, and says the truth about the server's UI."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import snapshot, version
from jenkins_mlflow.notice import Facts, looks_like_file_store, markdown_notice, text_notice
from jenkins_mlflow.promotion import Attempt, Outcome
from jenkins_mlflow.promotion_plan import Target, plan_promotion

NASTY = "m`<script>alert(1)</script>\n$(reboot) 'q' 🫀"


def facts(name: str = "churn", **changes: object) -> Facts:
    group = snapshot(version(name, 1, stage="Production"), version(name, 2))
    plan = plan_promotion(group, name, 2, Target("Production", "champion"))
    attempts = (
        Attempt("stage-archive", 1, "failed", 0.03, "HTTP 500 from the server"),
        Attempt("stage-archive", 2, "failed", 0.03, "HTTP 500 from the server"),
        Attempt("stage", 1, "failed", 0.03, "HTTP 503 from the server"),
        Attempt(
            "file-store", 0, "skipped", error="the server's store is no folder that this machine can reach"
        ),
    )
    missing = (f"stage Production for {name} version 2", f"alias champion for {name} version 2")
    outcome = Outcome("manual", "words", None, attempts, (plan.previous[0],), missing)
    given = Facts(plan, outcome, "http://mlflow:5000", "3.3.2", file_store=True)
    return replace(given, **changes)  # type: ignore[arg-type]


def test_it_names_what_was_tried_and_what_is_in_production() -> None:
    """One line for each method with its last words, and the present production version."""
    text = text_notice(facts())
    assert "PROMOTE BY HAND: churn version 2 -> stage Production" in text
    assert "  - stage-archive: failed (HTTP 500 from the server), 2 tries\n" in text
    assert "  - stage: failed (HTTP 503 from the server)\n" in text
    assert "  - file-store: skipped (the server's store is no folder" in text
    assert "In production right now\n  - churn version 1\n" in text


def test_it_leads_through_the_ui() -> None:
    """Tunnel, link, alias (hidden once stages show), the switch that shows stages, the drop-down, in this order."""
    text = text_notice(facts(ui_url="http://localhost:5001/", tunnel="ssh -L 5001:localhost:5001 me@server"))
    steps = [
        "1. Open the tunnel: ssh -L 5001:localhost:5001 me@server",
        "2. Open http://localhost:5001/#/models/churn/versions/2",
        '3. Click the pencil beside "Aliases" and add the alias champion.',
        '4. Switch off "New model registry UI" on the right of the page and answer the dialog with "Disable"',
        '5. Open the "Stage" drop-down, choose "Transition to -> Production"',
    ]
    positions = [text.index(step) for step in steps]
    assert positions == sorted(positions)


@pytest.mark.parametrize(
    ("version_", "file_store", "words"),
    [
        ("3.3.2", True, "No: the server is MLflow 3.3.2 and keeps its registry in files"),
        ("3.3.2", None, "Probably not: the server is MLflow 3.3.2"),
        ("3.3.2", False, "stages work there in principle"),
        ("3.17.2", True, "stages work there in principle"),
        ("2.22.4", True, "stages work there in principle"),
        (None, None, "Unknown: the server is an MLflow of unknown version"),
    ],
)
def test_it_is_honest_about_the_ui(version_: str | None, file_store: bool | None, words: str) -> None:
    """The UI fails exactly on affected versions with a file store."""
    assert words in text_notice(facts(server_version=version_, file_store=file_store))


def test_it_says_that_a_cleanup_does_not_help() -> None:
    """People deleted versions in the hope that it would; the notice says it does not."""
    assert "Deleting old versions or running the cleanup: the failure lies" in text_notice(facts())
    assert "MLflow 3.5.1 or later" in text_notice(facts())


def test_nothing_in_production_is_said_in_capitals() -> None:
    """The most urgent fact is not a missing line."""
    lost = replace(facts().outcome, production=())
    assert "NOTHING: churn has no version in production" in text_notice(facts(outcome=lost))


def test_registry_text_cannot_leave_its_place() -> None:
    """A hostile name stays inside its Markdown code span, its line and its shell quotes, and is encoded in the link."""
    page = markdown_notice(facts(NASTY))
    assert (
        page.splitlines()[0]
        == "# PROMOTE BY HAND: ``m`<script>alert(1)</script>� $(reboot) 'q' 🫀`` version 2 -> stage Production".replace(
            "� ", "\ufffd"
        )
    )
    assert "/#/models/m%60%3Cscript%3Ealert%281%29%3C%2Fscript%3E%0A%24%28reboot%29" in page
    text = text_notice(facts(NASTY))
    assert "\n$(reboot)" not in text
    assert "--models 'm`<script>" in text


def test_a_password_in_the_tracking_uri_is_hidden() -> None:
    """The notice is archived and read by many."""
    assert "hunter2" not in text_notice(facts(uri="http://me:hunter2@mlflow:5000"))
    assert "hunter2" not in text_notice(facts(uri="postgresql://me:hunter2@db/mlflow"))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mlflow-artifacts:/630544793721838655/models/m-1/artifacts", True),
        ("/srv/mlruns/630544793721838655/abc/artifacts/model", True),
        ("mlflow-artifacts:/12/models/m-1/artifacts", False),
        ("mlflow-artifacts:/0/models/m-1/artifacts", None),
        ("s3://bucket/models/x", None),
        ("", None),
    ],
)
def test_the_kind_of_store_is_read_from_the_experiment_id(uri: str, expected: bool | None) -> None:
    """File stores draw 18-digit experiment ids, databases count."""
    assert looks_like_file_store(uri) is expected
