"""`init` on a real server: what it writes works at once, and nothing that exists is written over."""

from __future__ import annotations

from pathlib import Path

from conftest import MakeServer, RunCli
from support.command import Finished
from support.seeding import Spec, seed

TRAIN = "import mlflow\n\nmlflow.set_experiment('heart')\nmlflow.sklearn.log_model(model, registered_model_name=name)\n"


def test_the_written_file_works(make_server: MakeServer, run_cli: RunCli, tmp_path: Path) -> None:
    """Select and a training's plan take it as it is."""
    server = make_server()
    seed(
        server.url,
        {
            "starter-knn": [Spec(metrics={"brier": 0.2, "roc_auc": 0.8}, stage="Production")],
            "starter-svm": [Spec(metrics={"brier": 0.1, "roc_auc": 0.9})],
        },
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(TRAIN, encoding="utf-8")

    done = run_cli("init", "--models", "starter-*", env={"MLFLOW_TRACKING_URI": server.url})

    assert (done.code, done.stdout) == (0, "")
    assert done.stderr == (
        "wrote mlops.yaml\nnext:  review it, then run: `jenkins-mlflow train`, "
        "or `jenkins-mlflow select` if models are already registered\n"
    )
    text = (tmp_path / "mlops.yaml").read_text(encoding="utf-8")
    assert "metric: roc_auc  # 2 of 2 versions have it, best 0.9" in text
    chosen = run_cli("select", "--output=json", env={"MLFLOW_TRACKING_URI": server.url}).doc
    assert (chosen["status"], chosen["selected"]["model"]) == ("selected", "starter-svm")
    assert chosen["champion"]["model"] == "starter-knn"
    planned = run_cli("train", "--dry-run", "--output=json", env={"MLFLOW_TRACKING_URI": server.url}).doc
    assert [part["command"] for part in planned["candidates"]] == [["python", "src/train.py"]]


def test_without_a_tracking_uri_it_says_what_to_set(run_cli: RunCli, tmp_path: Path) -> None:
    """The file is made from the folder; a server is one way to go on, a database file beside it another."""
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    done = run_cli("init")
    assert (done.code, done.stdout) == (0, "")
    assert done.stderr == (
        "wrote mlops.yaml from this folder alone: no registry was read, because no tracking URI is set\n"
        "next:  review it, and set the tracking URI, for example: "
        "export MLFLOW_TRACKING_URI=http://mlflow.example:5000, or, without a server: "
        "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db (a file in this folder); then run: "
        "`jenkins-mlflow train`, or `jenkins-mlflow select` if models are already registered\n"
    )
    assert "python train.py" in (tmp_path / "mlops.yaml").read_text(encoding="utf-8")
    refused = run_cli("select")
    assert refused.code == 2
    assert "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db (a file in this folder)" in refused.stderr


def test_without_a_training_script_it_advises_no_training(run_cli: RunCli, tmp_path: Path) -> None:
    """`train` would refuse the config; and models without a common name may belong to several teams."""
    seed(f"sqlite:///{tmp_path / 'mlflow.db'}", {"churn": [Spec()], "heart": [Spec()]})
    done = run_cli("init", env={"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"})
    assert done.stderr == (
        "wrote mlops.yaml\nnext:  review it, then run: `jenkins-mlflow select`; "
        "before you train, name your training commands in the section `train`\n"
    )
    assert (
        "# These are all the models of the registry: leave out those that do not compete with yours.\n"
        "models: [churn, heart]\n"
    ) in (tmp_path / "mlops.yaml").read_text(encoding="utf-8")
    (tmp_path / "mlops.yaml").unlink()
    run_cli("init", "--models=churn", "--models=heart", env={"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"})
    assert "all the models" not in (tmp_path / "mlops.yaml").read_text(encoding="utf-8")


def test_a_tracking_uri_of_init_alone_has_to_be_set(run_cli: RunCli, tmp_path: Path) -> None:
    """It is not written into the file, where its login would lie."""
    seed(f"sqlite:///{tmp_path / 'mlflow.db'}", {"m": [Spec()]})
    done = run_cli("init", "--tracking-uri=sqlite:///mlflow.db")
    assert done.stderr == (
        "wrote mlops.yaml\nnext:  review it, set MLFLOW_TRACKING_URI to the same address, then run: "
        "`jenkins-mlflow select`; before you train, name your training commands in the section `train`\n"
    )


def test_a_file_that_exists_stays(run_cli: RunCli, tmp_path: Path) -> None:
    """Refused before the registry is asked; `-` shows what would be written, without a registry, too."""
    path = tmp_path / "mlops.yaml"
    path.write_text("models: mine\n", encoding="utf-8")
    _refused(run_cli("init", "--tracking-uri", "http://localhost:1"))
    assert path.read_text(encoding="utf-8") == "models: mine\n"
    shown = run_cli("init", "--output", "-")
    assert (shown.code, shown.stderr) == (0, "")
    assert shown.stdout.startswith("# What jenkins-mlflow does with this project.")
    assert path.read_text(encoding="utf-8") == "models: mine\n"


def test_a_file_with_the_other_ending_is_named(run_cli: RunCli, tmp_path: Path) -> None:
    """Beside the new `mlops.yaml`, nothing would read it any more."""
    other = tmp_path / "mlops.yml"
    other.write_text("models: mine\n", encoding="utf-8")
    done = run_cli("init")
    assert done.code == 2
    assert done.stderr == (
        "error: mlops.yml is not read: the config in a folder is mlops.yaml\n"
        "next:  rename it to mlops.yaml, or give --config mlops.yml\n"
    )
    assert not (tmp_path / "mlops.yaml").exists()


def test_another_file_is_named_in_the_advice(run_cli: RunCli, tmp_path: Path) -> None:
    """The commands find it by --config only."""
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    seed(f"sqlite:///{tmp_path / 'mlflow.db'}", {"m": [Spec()]})
    done = run_cli("init", "--output=my config.yaml", env={"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"})
    assert done.stderr == (
        "wrote my config.yaml\nnext:  review it, then run: `jenkins-mlflow train --config 'my config.yaml'`, "
        "or `jenkins-mlflow select --config 'my config.yaml'` if models are already registered\n"
    )
    (tmp_path / "inner").mkdir()
    done = run_cli("init", "--output=inner/mlops.yaml")
    assert "`jenkins-mlflow train --config inner/mlops.yaml`" in done.stderr


def test_a_link_is_not_followed(run_cli: RunCli, tmp_path: Path) -> None:
    """Not even one to a file that does not exist."""
    (tmp_path / "mlops.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    _refused(run_cli("init"))
    assert not (tmp_path / "elsewhere.yaml").exists()


def _refused(done: Finished) -> None:
    assert done.code == 1
    assert done.stderr == (
        "error: mlops.yaml exists already\n"
        "state: it was not changed\n"
        "next:  look at a new one with --output -, or name another file with --output\n"
    )
