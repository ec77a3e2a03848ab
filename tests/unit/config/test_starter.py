"""The starter config: what was found is written, whatever it is named, and the result is a config."""

from __future__ import annotations

import re
import resource
import shlex
from pathlib import Path

import pytest
import yaml
from builders import snapshot, version
from hypothesis import example, given, strategies as st
from jenkins_mlflow.commands.init import describe, find_scripts, write_starter
from jenkins_mlflow.config.gates import parse_gate
from jenkins_mlflow.config.schema import Config, load
from jenkins_mlflow.config.starter import Found, Measured, Script, starter
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.metrics import comparable
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.snapshot import Snapshot

SCRIPTS = (Script("train.py", registers=True), Script("src/models/train.py"))


def read(text: str, folder: Path) -> Config:
    path = folder / "mlops.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, {}, {})


def found(group: Snapshot, *patterns: str, scripts: tuple[Script, ...] = ()) -> Found:
    return describe(group, patterns, uri="http://mlflow", scripts=scripts, experiment="heart")


def test_an_empty_folder_and_registry_give_a_config(tmp_path: Path) -> None:
    """Everything that has to be decided is a comment."""
    config = read(starter(found(Snapshot())), tmp_path)
    assert (config.models, config.train, config.select.metric) == (("*",), None, "roc_auc")


def test_what_was_found_is_in_it(tmp_path: Path) -> None:
    """The group by the beginning of its names, the metric that most versions have, the scripts as candidates."""
    group = snapshot(
        version("heart-svm", 1, metrics={"rmse": 3.0, "noise": 1.0}),
        version("heart-svm", 2, metrics={"rmse": 2.0}, stage="Production", aliases=("live",)),
        version("heart-knn", 1, metrics={"rmse": 4.0}),
    )
    text = starter(found(group, scripts=SCRIPTS))
    config = read(text, tmp_path)
    assert config.models == ("heart-*",)
    assert (config.select.metric, config.select.direction) == ("rmse", "minimize")
    assert (config.promote.alias, config.promote.exclusive) == ("live", False)
    assert config.train is not None
    assert config.train.commands == {
        "train": ("python", "train.py"),
        "models_train": ("python", "src/models/train.py"),
    }
    assert "# 3 of 3 versions have it, best 2" in text
    assert '# gates: {"rmse": "<= 2"}' in text
    assert "# other metrics of the group: noise" in text
    assert "# register:" in text, "one script registers no model"


@pytest.mark.parametrize("empty", [True, False])
def test_every_key_that_is_a_comment_is_one_of_the_config(empty: bool, tmp_path: Path) -> None:
    """People take the sign away, and nothing else."""
    metrics = (Measured("rmse", 2, 2.0, minimize=True), Measured("noise", 1, 1.0, minimize=False))
    filled = Found("http://mlflow", "heart", SCRIPTS, ("heart-*",), 2, metrics, ("heart-svm",))
    text = starter(found(Snapshot()) if empty else filled)
    commented = re.compile(r"^( *)# ?( *[a-z_]+:( .*)?)$", re.MULTILINE)
    keys = {line[2].partition(":")[0].strip() for line in commented.finditer(text)}
    assert keys == {
        *("gates", "keep_within", "keep_best"),
        *(
            ("models", "train", "experiment", "candidates", "logistic_regression", "direction")
            if empty
            else ("timeout", "register", "min_improvement")
        ),
    }
    config = read(commented.sub(r"\1\2", text), tmp_path)
    assert config.cleanup.keep_best is not None
    assert config.cleanup.keep_best.count == 1
    assert config.train is not None
    assert config.select.gates


def test_models_without_a_common_beginning_are_listed(tmp_path: Path) -> None:
    """Never `*`: that would take in what other teams register later."""
    group = snapshot(version("churn", 1), version("fraud", 1))
    assert read(starter(found(group)), tmp_path).models == ("churn", "fraud")


def test_many_models_without_a_common_beginning_are_refused() -> None:
    """They are not all of this project."""
    group = snapshot(*(version(f"{chr(97 + n)}-model", 1) for n in range(21)))
    with pytest.raises(UsageError, match="have no beginning in common"):
        found(group)
    assert found(group, "a-*").models == ("a-*",)
    with pytest.raises(UsageError, match='"z-x" matches no registered model; there is no name like it'):
        found(group, "z-x")


def test_the_scripts_name_the_models() -> None:
    """What a script registers is this project's, whatever else the registry holds."""
    group = snapshot(version("churn", 1), version("fraud", 1))
    assert found(group, scripts=(Script("train.py", model="fraud"),)).models == ("fraud",)


def test_scripts_are_found_by_name_and_content(tmp_path: Path) -> None:
    """Not those of tests, virtual environments and other tools."""
    script = 'import mlflow\nmlflow.set_experiment("heart")\nlog_model(registered_model_name="heart-svm")\n'
    for path in (
        "train.py",
        "src/models/svm_train.py",
        "venv/train.py",
        "tests/train_test.py",
        "src/predict.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(script, encoding="utf-8")
    (tmp_path / "train_trains.py").write_text("print('choo choo')", encoding="utf-8")
    assert list(find_scripts(tmp_path)) == [
        Script("train.py", "heart", "heart-svm", registers=True),
        Script("src/models/svm_train.py", "heart", "heart-svm", registers=True),
    ]


def test_a_script_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """Linux refuses the first with an error of its disk, also to root; the others are not there, and a folder."""
    (tmp_path / "train.py").symlink_to("/proc/self/mem")
    (tmp_path / "train_gone.py").symlink_to("gone")
    (tmp_path / "train_folder.py").mkdir()
    (tmp_path / "train_well.py").write_text("import mlflow; mlflow.autolog()", encoding="utf-8")
    assert list(find_scripts(tmp_path)) == [Script("train_well.py")]


paths = st.lists(
    st.sampled_from(["a/", "ß/", "x" * 60, "/", "-", ".", "größe", "训练", "train", " "]), min_size=1
)


@given(scripts=st.lists(paths.map("".join), max_size=4, unique=True))
@example(scripts=["train_größe.py", "train_gr_e.py", "train_gr-e.py"])
@example(scripts=["x" * 120 + "train.py", "x" * 120 + "train_2.py", "candidate_1.py"])
def test_whatever_the_scripts_are_named_each_is_a_candidate(
    tmp_path_factory: pytest.TempPathFactory, scripts: list[str]
) -> None:
    """`load` accepts the file, and no two have one name."""
    text = starter(found(Snapshot(), scripts=tuple(map(Script, scripts))))
    config = read(text, tmp_path_factory.getbasetemp())
    commands = config.train.commands.values() if config.train else ()
    assert list(commands) == [("python", script) for script in scripts]


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "none"])
def test_a_model_with_a_line_break_in_its_name_is_in_the_group(name: str, tmp_path: Path) -> None:
    """No config can name it, so a pattern does; an alias that YAML may misread is in quotes."""
    group = snapshot(version(name, 1, metrics={"rmse": 3.0}, stage="Production", aliases=("none",)))
    starting = found(group)
    config = read(starter(starting), tmp_path)
    assert matches(name, config.models)
    assert (starting.versions, config.promote.alias) == (1, "none")


names = st.text(min_size=1, max_size=12).filter(str.strip)


@given(model=names, metric=names, experiment=names, path=names)
@example(model="0", metric="0", experiment="0", path="/")
@example(model="m", metric="m", experiment="m", path="null.py")
def test_whatever_a_name_is_the_file_is_yaml(model: str, metric: str, experiment: str, path: str) -> None:
    """Quotes, line breaks and comments in foreign names end no line and begin no key."""
    text = starter(
        Found(
            uri="http://mlflow",
            experiment=experiment,
            scripts=(Script(path),),
            models=(model, "other"),
            versions=1,
            metrics=(Measured(metric, 1, 0.5, minimize=False), Measured(model, 1, 0.5, minimize=True)),
            champions=(model,),
            alias="live",
        )
    )
    loaded = yaml.safe_load(text)
    assert set(loaded) == {"models", "train", "select", "promote", "cleanup"}
    assert loaded["models"] == [model, "other"]
    assert loaded["select"]["metric"] == metric
    assert loaded["train"]["experiment"] == experiment
    assert all(isinstance(name, str) and name for name in loaded["train"]["candidates"])
    assert list(loaded["train"]["candidates"].values()) == [f"python {shlex.quote(path)}"]


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("neg_root_mean_squared_error", "maximize"),
        ("val_neg_log_loss", "maximize"),
        ("negative_mean_absolute_error", "maximize"),
        ("neg-brier-score", "maximize"),
        ("negotiation_loss", "minimize"),
    ],
)
def test_a_negated_error_is_to_be_maximized(metric: str, direction: str, tmp_path: Path) -> None:
    """scikit-learn negates what is to be small, so that the best is the largest."""
    group = snapshot(version("m", 1, metrics={metric: -3.0}), version("m", 2, metrics={metric: -2.0}))
    text = starter(found(group))
    assert read(text, tmp_path).select.direction == direction
    assert f"best {'-2' if direction == 'maximize' else '-3'}\n" in text


def test_a_file_that_cannot_be_finished_is_not_left_behind(tmp_path: Path) -> None:
    """An empty one would stand for every model of the registry, and would be in the way of the next `init`."""
    path = tmp_path / "mlops.yaml"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # like a full disk: the kernel takes no more
    try:
        with pytest.raises(UsageError, match="cannot be written: File too large"):
            write_starter(path, "models: heart-*\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    write_starter(path, "models: heart-*\n")
    assert path.read_text(encoding="utf-8") == "models: heart-*\n"


@pytest.mark.parametrize(
    ("best", "minimize", "gate"),
    [
        (0.99998, False, ">= 0.9999"),
        (0.92857142857142857, False, ">= 0.9285"),
        (12345.67891, False, ">= 12345.6789"),
        (-1.00004, False, ">= -1.0001"),
        (0.00001234567, True, "<= 1.235e-05"),
        (1.23e300, True, "<= 1.23e+300"),
        (0.5, True, "<= 0.5"),
        (0.0, False, ">= 0"),
    ],
)
def test_the_gate_lets_the_best_one_pass(best: float, minimize: bool, gate: str) -> None:
    """A rounded value may be better than the best."""
    text = starter(Found("", "heart", models=("m",), versions=1, metrics=(Measured("m", 1, best, minimize),)))
    assert f'# gates: {{"m": "{gate}"}}' in text


@given(best=st.floats(allow_nan=False, allow_infinity=False).filter(comparable), minimize=st.booleans())
def test_whatever_the_best_is_the_gate_lets_it_pass(best: float, minimize: bool) -> None:
    text = starter(Found("", "heart", models=("m",), versions=1, metrics=(Measured("m", 1, best, minimize),)))
    gate = re.search(r'# gates: {"m": "(.*)"}', text)
    assert gate
    assert parse_gate(gate[1]).holds(best)


def test_helpers_of_a_training_script_are_no_candidates(tmp_path: Path) -> None:
    """They are named alike, or import mlflow, and train nothing."""
    helper, script = "import mlflow\n", "import mlflow\nmlflow.autolog()\n"
    for path, text in {
        "constrain.py": script,
        "trainable.py": script,
        "train_utils.py": helper,
        "train.py": script,
        "train2.py": "import mlflow\nwith mlflow.start_run(): ...\n",
        "training.py": 'import mlflow\nif __name__ == "__main__": ...\n',
        "knn-train.py": "import mlflow\nmlflow.log_metric('auc', 1)\n",
    }.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert [script.path for script in find_scripts(tmp_path)] == [
        "knn-train.py",
        "train.py",
        "train2.py",
        "training.py",
    ]
