"""Streams as callers leave them: closed, full, in another encoding; and a report folder that cannot be written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.seeding import Spec, client, seed
from support.servers import clean_environ


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a model of two versions whose name is not Latin-1."""
    store = f"sqlite:///{tmp_path_factory.mktemp('streams') / 'mlflow.db'}"
    seed(store, {"🫀": [Spec(metrics={"roc_auc": 0.5}), Spec()], "plain": [Spec(), Spec()]})
    return store


def shell(script: str, folder: Path, uri: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in which ``$J`` is the command."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=clean_environ(MLFLOW_TRACKING_URI=uri, J=f"{sys.executable} -m jenkins_mlflow", **environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_a_latin_1_agent_gets_json(uri: str, tmp_path: Path) -> None:
    """Characters that the encoding lacks are JSON's own escapes."""
    done = shell("$J list --output=json", tmp_path, uri, PYTHONIOENCODING="latin-1")
    assert {model["name"] for model in json.loads(done.stdout)["models"]} == {"🫀", "plain"}


def test_a_closed_standard_input_is_no_terminal(uri: str, tmp_path: Path) -> None:
    """A question cannot be asked: refused, and not a bug."""
    done = shell("$J cleanup --keep-last=1 <&-", tmp_path, uri)
    assert done.returncode == 1
    assert "there is no terminal to ask for confirmation" in done.stderr
    asked = shell("$J cleanup --keep-last=1 --ask <&-", tmp_path, uri)
    assert (asked.returncode, asked.stdout) == (0, asked.stdout)
    assert "nothing was deleted: the answer was no" in asked.stdout


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full"], ids=["closed", "full"])
def test_messages_that_cannot_be_shown_stop_no_promotion(closed: str, uri: str, tmp_path: Path) -> None:
    """The version is in production, and the document says so."""
    version = "1" if closed == "2>&-" else "2"
    done = shell(f"$J promote --model plain --version {version} --output=json {closed}", tmp_path, uri)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["status"] in ("promoted", "already")
    assert client(uri).get_model_version("plain", version).current_stage == "Production"


def test_a_result_that_cannot_be_written_is_said(uri: str, tmp_path: Path) -> None:
    """A full disk behind standard output is no bug."""
    done = shell("$J list --output=json >/dev/full", tmp_path, uri)
    assert done.returncode == 1
    assert done.stderr == (
        "error: the result could not be written to standard output: No space left on device\n"
        f"state: the command itself ended with exit code 0: 2 models, 4 versions in {uri}\n"
        "next:  free some space where standard output is written\n"
    )


def test_a_report_folder_is_tried_before_anything_is_written(uri: str, tmp_path: Path) -> None:
    """A file in its way: refused while the registry is untouched."""
    (tmp_path / "r").write_text("")
    before = client(uri).get_model_version("🫀", "1").current_stage
    done = shell("$J promote --model 🫀 --version 1 --output=json --report r/x", tmp_path, uri)
    assert (done.returncode, json.loads(done.stdout)["error"]["state"]) == (1, "nothing was changed")
    assert "error: the report folder r/x cannot be written: Not a directory" in done.stderr
    assert client(uri).get_model_version("🫀", "1").current_stage == before == "None"


def test_a_report_that_cannot_be_written_is_a_warning(uri: str, tmp_path: Path) -> None:
    """What was done is done: the exit code stays, the document says what is missing."""
    (tmp_path / "r" / "list.json").mkdir(parents=True)
    done = shell("$J list --output=json --report r", tmp_path, uri)
    (warning,) = json.loads(done.stdout)["warnings"]
    assert (done.returncode, warning) == (0, "the report r/list.json could not be written: Is a directory")
    assert done.stderr == f"warning: {warning}\n"


def test_help_and_a_usage_error_import_little(tmp_path: Path) -> None:
    """Neither the config's schema nor a stage; the help of a command has its defaults from the schema."""
    script = (
        "import sys; from jenkins_mlflow.cli.main import run; run(sys.argv[1:]); "
        "print(sorted({'pydantic', 'yaml', 'rich', 'mlflow', 'requests', 'tenacity'} & set(sys.modules)))"
    )
    for arguments, loaded in (
        (["--help"], "[]"),
        (["promote", "--help"], "['pydantic', 'yaml']"),
        (["promote", "--nonsense"], "[]"),
        (["jobs", "--help"], "[]"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=clean_environ(),
        )
        assert done.stdout.endswith(f"{loaded}\n"), arguments


def test_a_start_is_not_held_up_by_a_search_for_garbage(tmp_path: Path) -> None:
    """A command makes tens of thousands of objects at its start, and keeps them all."""
    code = (
        "import gc; from jenkins_mlflow.cli.main import run; searches = []; "
        "gc.callbacks.append(lambda phase, info: searches.append(phase)); "
        "run(['schema']); sys.stderr.write(str(len(searches)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}"],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"properties"' in done.stdout
    assert done.stderr == "0"
