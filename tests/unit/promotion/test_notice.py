"""The fallback notice says what a person needs, and says the truth about the server's UI."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
from builders import snapshot, version
from jenkins_mlflow.cli.main import cli
from jenkins_mlflow.methods.known_faults import looks_like_file_store
from jenkins_mlflow.promotion.notice import Facts, markdown_notice, text_notice
from jenkins_mlflow.promotion.notice_steps import ui_steps
from jenkins_mlflow.promotion.outcome import Outcome
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Attempt
from jenkins_mlflow.text import argument

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
    outcome = Outcome("manual", "words", None, attempts, (plan.previous[0],), plan.table, missing)
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


GREETING = "Flexible, governed deployments with the new Model Registry UI"
CHOOSE = 'Open the drop-down beside "Stage", choose "Transition to -> Production"'
ARCHIVE = 'open the drop-down beside "Stage", choose "Transition to -> Archived" and click "OK"'
SAVE = 'type champion, press Enter and click "Save aliases".'
SWITCH_OFF = (
    'Switch off "New model registry UI", on the right of the page, and answer the dialog with "Disable": '
    "stages can be changed only then, and aliases no longer show."
)


WAY_IN = "If http://mlflow:5000 does not open in your browser, open a tunnel: ssh -L 5000:localhost:5000 USER@mlflow"


def steps(given: Facts) -> list[str]:
    return ui_steps(given, str, str)


def test_it_leads_through_the_ui() -> None:
    """Tunnel, link, alias (hidden once stages show), the switch that shows stages, the drop-down, in this order."""
    given = facts(
        ui_url="http://localhost:5001/", tunnel="ssh -L 5001:localhost:5001 me@server", file_store=False
    )
    assert steps(given) == [
        "Open the tunnel: ssh -L 5001:localhost:5001 me@server",
        "Open http://localhost:5001/#/models/churn",
        f'If a dialog "{GREETING}" opens, answer it with "Try it now".',
        f'Find the row of "Version 2", click "Add" below "Aliases", {SAVE}',
        "Open http://localhost:5001/#/models/churn/versions/2",
        SWITCH_OFF,
        f'{CHOOSE}, tick "Transition existing Production model version to Archived" and click "OK".',
        "Check: jenkins-mlflow list --models churn --tracking-uri http://localhost:5001",
    ]
    numbered = text_notice(given)
    assert all(f"  {number}. {step}\n" in numbered for number, step in enumerate(steps(given), 1))


@pytest.mark.parametrize(
    ("uri", "ui_url", "line"),
    [
        ("http://mlflow:5000", None, f"{WAY_IN}; then write http://localhost:5000 instead of it below"),
        (
            "http://localhost:5000",
            None,
            (
                "If http://localhost:5000 does not open in your browser, open a tunnel: "
                "ssh -L 5000:localhost:5000 USER@agent-7"
            ),
        ),
        (
            "http://u:s3cret@10.0.0.1/base",
            None,
            (
                "If http://10.0.0.1/base does not open in your browser, open a tunnel: "
                "ssh -L 8080:localhost:80 USER@10.0.0.1; then write http://localhost:8080 instead of it below"
            ),
        ),
        (
            "sqlite:///x.db",
            "https://u:s3cret@mlflow.example/",
            (
                "If https://mlflow.example does not open in your browser, open a tunnel: "
                "ssh -L 8443:localhost:443 USER@mlflow.example; then write https://localhost:8443 instead of it below"
            ),
        ),
    ],
)
def test_it_always_offers_the_way_in(uri: str, ui_url: str | None, line: str) -> None:
    """Without a configured tunnel, one that is made from the address; no login shows."""
    given = facts(uri=uri, ui_url=ui_url, host="agent-7")
    assert steps(given)[0] == line
    assert "s3cret" not in text_notice(given) + markdown_notice(given)


def test_a_tunnel_with_a_secret_hides_it() -> None:
    """The notice is archived."""
    assert steps(facts(tunnel="proxy http://u:s3cret@h"))[0] == "Open the tunnel: proxy http://***@h"


def test_the_cause_fits_what_was_to_be_done() -> None:
    """A team without stages reads nothing about a fault of stages; a team with them reads both of its names."""
    text = text_notice(replace(group(stage=None), server_version="3.3.2", file_store=True))
    assert "stage" not in text.replace("--stage null", "")
    assert "Represent" not in text
    assert "The server is MLflow 3.3.2: it should, once the cause above is gone" in text
    assert "RepresentationError, in Python yaml.representer.RepresenterError" in text_notice(facts())


@pytest.mark.parametrize(
    ("version_", "file_store", "tick"),
    [
        ("3.3.2", True, False),
        ("3.3.2", None, False),
        ("3.3.2", False, True),
        (None, None, False),
        (None, False, True),
        ("3.17.2", True, True),
    ],
)
def test_production_is_never_emptied(version_: str | None, file_store: bool | None, tick: bool) -> None:
    """Where the change may fail, the old version is archived by a step of its own, after the new one."""
    shown_steps = steps(facts(server_version=version_, file_store=file_store))
    (change,) = (number for number, step in enumerate(shown_steps) if "-> Production" in step)
    assert (" tick " in shown_steps[change]) is tick
    assert ("Leave the box in the dialog unticked" in shown_steps[change]) is not tick
    archive = (
        "When the page shows Production, and only then, open http://mlflow:5000/#/models/churn/versions/1, "
    )
    assert shown_steps[change + 1].startswith(archive) is not tick


def test_nothing_to_archive_is_no_step() -> None:
    """The present version left production already: neither a box to tick nor a page to open for it."""
    lost = replace(facts().outcome, production=())
    text = "\n".join(steps(facts(outcome=lost)))
    assert "Archived" not in text
    assert "box" not in text


@pytest.mark.parametrize(
    ("version_", "greeting", "old"),
    [
        ("2.22.4", True, False),
        ("3.10.1", True, False),
        ("3.17.2", False, False),
        (None, True, True),
        ("2.3.0", True, True),
    ],
)
def test_the_steps_fit_the_pages_of_the_version(version_: str | None, greeting: bool, old: bool) -> None:
    """3.17 greets nobody; before 2.22 there may be no switch; an unknown version's steps can be followed on all."""
    text = "\n".join(steps(facts(server_version=version_)))
    assert ("If a dialog" in text) is greeting
    assert ("(an old MLflow has no such switch: go on)" in text) is old


def group(stage: str | None = "Production", others: tuple[str, ...] = ("champion",)) -> Facts:
    """An exclusive group: churn version 2 shall be the champion, which now is risk version 1."""
    found = snapshot(
        version("churn", 2, aliases=("newest",)), version("risk", 1, stage="Production", aliases=others)
    )
    plan = plan_promotion(found, "churn", 2, Target(stage, "champion", exclusive=True))
    missing = (
        "alias champion for churn version 2",
        *(["stage Production for churn version 2"] if stage else []),
    )
    outcome = Outcome("manual", "words", None, (), tuple(plan.others), plan.table, missing)
    return Facts(plan, outcome, "http://mlflow:5000", "3.17.2", file_store=False)


def test_other_models_leave_production_by_the_steps_too() -> None:
    """Alias and stage of the other model, each on its own page, while the page shows that mark."""
    assert [re.sub(r"http\S+/models/", "", step) for step in steps(group())] == [
        f"{WAY_IN}; then write http://localhost:5000 instead of it below",
        "Open churn",
        f'Find the row of "Version 2", click the pencil below "Aliases", {SAVE}',
        "Open risk",
        'Find the row of "Version 1", click the pencil below "Aliases", remove champion and click "Save aliases".',
        "Open churn/versions/2",
        SWITCH_OFF,
        f'{CHOOSE} and click "OK".',
        f"When the page shows Production, and only then, open risk/versions/1, {ARCHIVE}.",
        "Check: jenkins-mlflow list --models churn --models risk --tracking-uri http://mlflow:5000",
    ]


def test_without_stages_no_stage_is_touched() -> None:
    """A team that marks production by an alias alone is not sent to the stages."""
    text = "\n".join(steps(group(stage=None)))
    assert "remove champion" in text
    assert "Stage" not in text
    assert "New model registry UI" not in text


def test_two_in_production_need_no_transition_of_the_right_one() -> None:
    """The page does not offer the stage that a version has: only the other one is moved."""
    given = facts()
    both = (replace(given.plan.candidate, stage="Production"), given.plan.previous[0])
    text = "\n".join(steps(replace(given, outcome=replace(given.outcome, production=both))))
    assert "-> Production" not in text
    assert f"Open http://mlflow:5000/#/models/churn/versions/1, {ARCHIVE}." in text


def test_what_left_production_already_is_no_step() -> None:
    """Only what still serves has to go."""
    given = group()
    text = "\n".join(steps(replace(given, outcome=replace(given.outcome, production=()))))
    assert "risk/versions" not in text


def test_a_model_named_alias_gets_no_alias_step() -> None:
    """What is missing is told by its first word, not by a model's name."""
    given = facts("alias")
    missing = ("stage Production for alias version 2",)
    assert "Aliases" not in "\n".join(steps(replace(given, outcome=replace(given.outcome, missing=missing))))


@pytest.mark.parametrize(
    ("uri", "start"),
    [
        ("sqlite:///mlflow.db", "Start the UI: mlflow ui --backend-store-uri sqlite:///mlflow.db"),
        ("./ml runs", "Start the UI: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri './ml runs'"),
    ],
)
def test_a_store_without_a_server_gets_one(uri: str, start: str) -> None:
    """MLflow 3.17 refuses a store of files without the variable."""
    shown_steps = steps(facts(uri=uri))
    assert shown_steps[:2] == [start, "Open http://localhost:5000/#/models/churn"]
    assert shown_steps[-1].endswith(f"--tracking-uri {argument(uri)}")


@pytest.mark.parametrize(
    ("version_", "file_store", "warning"),
    [
        ("3.3.2", True, "No: the server is MLflow 3.3.2 and keeps its registry in files"),
        ("3.3.2", None, "Probably not: the server is MLflow 3.3.2"),
        ("3.3.2", False, "stages work there in principle"),
        ("3.17.2", True, "stages work there in principle"),
        ("2.22.4", True, "stages work there in principle"),
        (None, None, "Unknown: the server is an MLflow of unknown version"),
    ],
)
def test_it_is_honest_about_the_ui(version_: str | None, file_store: bool | None, warning: str) -> None:
    """The UI fails exactly on affected versions with a file store."""
    assert warning in text_notice(facts(server_version=version_, file_store=file_store))


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
    assert f"--models {argument(NASTY)}" in text


def test_a_password_in_the_tracking_uri_is_hidden() -> None:
    """The notice is archived and read by many."""
    shown = text_notice(facts(uri="http://me:hunter2@mlflow:5000/base"))
    assert "hunter2" not in shown
    assert (
        "Open http://mlflow:5000/base/#/models/churn/versions/2\n" in shown
    )  # *** would be a wrong password
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


def test_the_way_to_a_database_is_a_command_of_ours() -> None:
    """It compares what it copied, and writes into more than SQLite."""
    notice = text_notice(facts(server_version="3.3.2", file_store=True))
    (line,) = re.findall(r"start the server on it: jenkins-mlflow (.*?) \(or into PostgreSQL\)", notice)
    name, *arguments = shlex.split(line)
    given = cli.commands[name].make_context(name, arguments).params
    assert (given["source"], given["target"]) == ("./mlruns", "sqlite:///mlflow.db")


def test_the_notice_of_staging_stays_in_staging() -> None:
    """Its commands name the stage and the alias, and it does not say that production is empty."""
    group = snapshot(version("churn", 1, stage="Production", aliases=("champion",)), version("churn", 2))
    plan = plan_promotion(group, "churn", 2, Target("Staging", "challenger"))
    outcome = Outcome("manual", "words", None, (), (), plan.table, ("stage Staging for churn version 2",))
    text = text_notice(Facts(plan, outcome, "http://mlflow:5000", "3.3.2", file_store=True))
    commands = re.findall(r"jenkins-mlflow (?:promote|list) .*", text)
    assert len(commands) == 2
    assert all(command.endswith(" --stage Staging --alias challenger") for command in commands)
    assert "In Staging right now\n  - NOTHING: churn has no version in Staging\n" in text
    assert "production" not in text


def test_commands_for_another_machine_name_what_its_config_does_not() -> None:
    group = snapshot(version("churn", 1, aliases=("live",)), version("churn", 2))
    plan = plan_promotion(group, "churn", 2, Target(None, "live"))
    outcome = Outcome("manual", "words", None, (), (), plan.table, ("alias live for churn version 2",))
    shown = steps(Facts(plan, outcome, "http://mlflow:5000", "3.3.2", file_store=True))[-1]
    assert shown.endswith(" --stage null --alias live")
