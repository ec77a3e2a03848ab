"""Bad input: what each gets told, with which code, and that not one byte of the registry changed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from jenkins_mlflow.cli import main as cli
from jenkins_mlflow.cli.promote_model import translate
from support.seeding import Spec, client, seed


@dataclass(frozen=True)
class Case:
    """A command line (and a config file), the exit code, and words that the message must have."""

    name: str
    arguments: list[str]
    code: int
    reason: str
    config: str | None = None
    environ: dict[str, str] = field(default_factory=dict)


def config(name: str, text: str, reason: str) -> Case:
    """A config file that every command refuses."""
    return Case(f"config: {name}", ["promote"], 2, reason, text)


def usage(name: str, *arguments: str, reason: str, code: int = 2, **environ: str) -> Case:
    return Case(f"usage: {name}", list(arguments), code, reason, None, environ)


CASES = [
    usage("no such command", "promot", reason="No such command 'promot'"),
    usage("no such option", "promote", "--modle=m", reason="No such option"),
    usage("option of another command", "select", "--keep-last=1", reason="No such option"),
    *(
        usage(
            f"approval over {over!r}",
            "promote",
            "--model=m",
            "--dry-run",
            f"--over={over}",
            reason="expected a version in production as MODEL/VERSION, or the word nothing",
        )
        for over in ("x", "", "m/", "m/0", "m/v3", "/3", "Nothing", "m/3\n")
    ),
    usage(
        "approval over what is not in production",
        "promote",
        "--models=m",
        "--metric=nope",
        "--over=m/2",
        reason="a promotion was to replace m/2, but now it would replace m/3",
        code=1,
    ),
    usage(
        "approval over nothing where something is in production",
        "promote",
        "--models=m",
        "--metric=nope",
        "--dry-run",
        "--over=nothing",
        reason="a promotion was to replace nothing, but now it would replace m/3",
        code=1,
    ),
    usage("version without model", "promote", "--version=1", reason="--version needs --model"),
    usage(
        "version that is no number",
        "promote",
        "--model=m",
        "--version=latest",
        reason="'latest' is not a version number: expected 1, 2, 3, ...",
    ),
    usage("version 0", "promote", "--model=m", "--version=0", reason="'0' is not a version number"),
    usage("negative version", "promote", "--model=m", "--version=-1", reason="'-1' is not a version number"),
    usage(
        "shell in a version",
        "promote",
        "--model=m",
        "--version=$(reboot)",
        reason="'$(reboot)' is not a version number",
    ),
    *(
        usage(f"no version for {command}", command, "--model=m", option, reason="is not a version number")
        for command, option in (
            ("rollback", "--to=last"),
            ("lease", "--version=x"),
            ("restore", "--version=1.5"),
        )
    ),
    usage(
        "list of what is not there",
        "list",
        "zz*",
        reason="correct `models` in the config, --models or MODEL; `jenkins-mlflow list --models '*'` shows every name",
    ),
    usage("output nobody knows", "list", "--output=xml", reason="'xml' is not one of"),
    usage("stray argument", "select", "m", reason="unexpected extra argument"),
    usage("no keep", "cleanup", "--keep-last=few", reason='--keep-last: expected a whole number, got "few"'),
    usage("negative keep", "cleanup", "--keep-last=-1", reason="--keep-last"),
    usage("half a version", "cleanup", "--keep-last=1.5", reason="--keep-last"),
    usage("age without a unit", "cleanup", "--min-age=7", reason="--min-age: expected a duration"),
    usage("age in moons", "cleanup", "--min-age=7moons", reason="--min-age: expected a duration"),
    usage("no deletions at all", "cleanup", "--max-deletions=0", reason="--max-deletions"),
    usage("direction", "select", "--direction=up", reason="--direction"),
    usage("scope", "select", "--scope=all", reason="--scope"),
    usage("NaN as improvement", "select", "--min-improvement=.nan", reason="--min-improvement"),
    usage("negative improvement", "select", "--min-improvement=-0.1", reason="--min-improvement"),
    usage("scope build without a build", "select", "--scope=build", reason="no build is known"),
    usage("stage that is none", "promote", "--stage=Prodction", reason="--stage"),
    usage("promotion to the archive", "promote", "--stage=Archived", reason="--stage"),
    usage("alias like a version", "promote", "--alias=v3", reason="--alias"),
    usage("alias that is reserved", "promote", "--alias=latest", reason="--alias"),
    usage("config that is not there", "list", "--config=nowhere.yaml", reason="nowhere.yaml"),
    usage("nothing to train", "train", reason="the config has no train section"),
    usage("unknown environment key", "list", reason='did you mean "metric"?', MLOPS__SELECT__METRC="auc"),
    usage(
        "bad environment value", "list", reason="MLOPS__CLEANUP__KEEP_LAST", MLOPS__CLEANUP__KEEP_LAST="many"
    ),
    usage("unknown scheme", "list", "--tracking-uri=ftp://x", reason="scheme 'ftp' is not supported"),
    usage("address without host", "list", "--tracking-uri=http://", reason="no host"),
    usage(
        "store that is not there",
        "list",
        "--tracking-uri=sqlite:////nowhere/x.db",
        reason="there is no MLflow store",
        code=1,
    ),
    usage(
        "folder that is not there",
        "list",
        "--tracking-uri=/nowhere/mlruns",
        reason="there is no MLflow store",
        code=1,
    ),
    usage(
        "no model of the group",
        "list",
        "mm",
        reason='"mm" matches no registered model; the nearest name is "m"',
    ),
    *(
        usage(
            f"model that is not there: {arguments[0]}",
            *arguments,
            reason="there is no registered model 'mm'; the nearest name is \"m\"",
            code=1,
        )
        for arguments in (
            ["promote", "--model=mm"],
            ["promote", "--model=mm", "--version=1", "--dry-run"],
            ["rollback", "--model=mm", "--dry-run"],
            ["rollback", "--model=mm", "--recorded"],
            ["cleanup", "--model=mm", "--yes"],
            ["history", "--model=mm"],
            ["history", "--model=mm", "--adopt", "--reason=x"],
            ["restore", "--model=mm"],
            ["restore", "--model=mm", "--dry-run"],
            ["lease", "--model=mm", "--version=1", "--holder=h", "--for=1d"],
            ["lease", "--model=mm", "--version=1", "--holder=h", "--release"],
        )
    ),
    usage("missing version", "promote", "--model=m", "--version=9", reason="m has no version 9", code=1),
    usage("deleted version", "promote", "--model=m", "--version=1", reason="or it was deleted", code=1),
    usage(
        "unready version",
        "promote",
        "--model=unready",
        "--version=1",
        reason="is FAILED_REGISTRATION, not READY",
        code=1,
    ),
    usage(
        "cleanup of a missing model",
        "cleanup",
        "--model=nope",
        "--yes",
        reason="no registered model 'nope'",
        code=1,
    ),
    usage(
        "a lease that outlives every date",
        "lease",
        "--model=m",
        "--version=2",
        "--holder=h",
        "--for=9999999999w",
        reason="expected a duration of at most 100 years (36500d)",
    ),
    usage(
        "a plan narrowed by a group",
        "cleanup",
        "--apply=plan.json",
        "--models=m",
        "--yes",
        reason="--apply cannot be combined with --models: the plan is carried out as it stands",
    ),
    usage(
        "a plan narrowed by a rule",
        "cleanup",
        "--apply=plan.json",
        "--min-age=7d",
        "--yes",
        reason="--apply cannot be combined with --min-age: the plan is carried out as it stands",
    ),
    usage(
        "one stage with two aliases",
        "migrate",
        "--stages-to-aliases",
        "--map=Production=a",
        "--map=Production=b",
        reason="Production=b: stage Production already has alias a",
    ),
    usage(
        "a pattern is no name", "promote", "--model=m*", reason="there is no registered model 'm*'", code=1
    ),
    usage("SQL in a name", "promote", "--model=x' OR '1'='1", reason="there is no registered model", code=1),
    usage(
        "escape codes in a name",
        "promote",
        "--model=\x1b[31mred\nnext",
        reason="no registered model '�[31mred�next'",
        code=1,
    ),
    config(
        "unknown key",
        "models: m\nselect: {metrc: auc}\n",
        'mlops.yaml:2: select.metrc: unknown key; did you mean "metric"?',
    ),
    config(
        "wrong type",
        "cleanup: {keep_last: '3'}\n",
        "mlops.yaml:1: cleanup.keep_last: expected a whole number",
    ),
    config(
        "bad comparison",
        'select: {gates: {auc: "=> 0.8"}}\n',
        "mlops.yaml:1: select.gates.auc: expected a comparison",
    ),
    config(
        "bad duration", "cleanup: {min_age: soon}\n", "mlops.yaml:1: cleanup.min_age: expected a duration"
    ),
    config("empty group", "models: []\n", "mlops.yaml:1: models"),
    config("no mapping", "- a\n- b\n", "mlops.yaml"),
    config("python object", "models: !!python/object/apply:os.system ['touch pwned']\n", "mlops.yaml:1"),
    config("tab", "select:\n\tmetric: auc\n", "mlops.yaml:2"),
    config("key twice", "models: a\nmodels: b\n", "mlops.yaml:2"),
    config("neither mark", "promote: {stage: null, alias: null}\n", "promote"),
    config("unknown method", "promote: {methods: [stage-archiv]}\n", 'did you mean "stage-archive"?'),
    config("several mistakes", "a: 1\nb: 2\n", "mlops.yaml:2: b: unknown key"),
]

NAMES = [
    "it's",
    'say "hi"',
    "<script>alert(1)",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "🫀 heart",
    "[bold]markup",
    "=cmd|'calc'!A1",
    "a_b*?[x]",
    "--help",
    "trailing space ",
    "Ünïcödé \u202eevil",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file whose bytes tell whether anything was written."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    specs: dict[str, list[Spec]] = {
        "m": [Spec(), Spec(metrics={"roc_auc": 0.9}), Spec(stage="Production")],
        "unready": [Spec()],
        **{name: [Spec(metrics={"roc_auc": 0.5})] for name in NAMES},
    }
    mlflow = seed(f"sqlite:///{path}", specs)
    mlflow.delete_model_version("m", "1")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE model_versions SET status = 'FAILED_REGISTRATION' WHERE name = 'unready'")
    return path


Run = Callable[[Case], tuple[int, str]]


@pytest.fixture
def run(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.chdir(tmp_path)
    for key in ("BUILD_TAG", "JENKINS_MLFLOW_BUILD"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")

    def go(case: Case) -> tuple[int, str]:
        for key, value in case.environ.items():
            monkeypatch.setenv(key, value)
        if case.config is not None:
            Path("mlops.yaml").write_text(case.config, encoding="utf-8")
        code = cli.run(case.arguments)
        return code, capfd.readouterr().err

    return go


def digest(store: Path) -> str:
    return hashlib.sha256(store.read_bytes()).hexdigest()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_refused_before_anything_is_written(case: Case, run: Run, store: Path) -> None:
    """The right code, the right words, no traceback, an untouched registry, no stray file."""
    before = digest(store)
    code, said = run(case)
    assert code == case.code, said
    assert case.reason in said
    assert "Traceback" not in said
    assert digest(store) == before
    assert {path.name for path in Path.cwd().iterdir()} <= {"mlops.yaml"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output", ["text", "json", "csv", "md"])
def test_odd_registry_contents_are_shown_and_harmless(
    name: str,
    output: str,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Names from the registry are data in every form: shown whole, never run, never a control character or formula."""
    monkeypatch.chdir(tmp_path)
    code = cli.run(
        [
            "list",
            f"--tracking-uri=sqlite:///{store}",
            f"--models={name.replace(chr(0x202E), '?')}",
            f"--output={output}",
        ]
    )
    shown = capfd.readouterr().out
    assert code == 0
    assert "\u202e" not in shown or output == "json"
    if output == "csv":
        assert not any(line.startswith(("=", "+", "@", "-")) for line in shown.splitlines())
    elif output == "md":
        assert "<script>" not in shown or "`<script>" in shown
    elif output == "text":
        assert f"📦 {name.replace(chr(0x202E), chr(0xFFFD))}" in shown
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_can_be_promoted(
    name: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with quotes, shell text or emoji is promoted like any other, and only that model."""
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{store}"

    def production() -> set[str]:
        return {v.name for v in client(uri).search_model_versions() if v.current_stage == "Production"}

    before = production()
    assert cli.run(["promote", f"--tracking-uri={uri}", f"--model={name}", "--version=1", "--quiet"]) == 0
    assert production() == before | {name}
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--list", "m"],
        ["--auto", "--list"],
        ["--cleanup", "m", "2", "3"],
        ["m", "1", "2"],
        ["--clean"],
        ["--models"],
    ],
)
def test_the_script_refuses_what_makes_no_sense(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 with the usage."""
    with pytest.raises(SystemExit) as ended:
        translate(arguments)
    assert ended.value.code == 2
    assert "usage: promote-model.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--list"], ["list", "--brief"]),
        (["--auto", "--metric", "f1"], ["promote", "--metric=f1"]),
        (["--cleanup"], ["cleanup", "--ask"]),
        (["--cleanup", "m"], ["cleanup", "--model=m", "--yes"]),
        (
            ["--cleanup", "m", "2", "--dry-run"],
            ["cleanup", "--model=m", "--keep-last=2", "--yes", "--dry-run"],
        ),
        (["--auto", "--models", "a", "--models=b"], ["promote", "--models=a", "--models=b"]),
        (["m"], ["promote", "--model=m"]),
        (
            ["m", "7", "--tracking-uri=http://x"],
            ["promote", "--model=m", "--version=7", "--tracking-uri=http://x"],
        ),
    ],
)
def test_the_script_translates(arguments: list[str], expected: list[str]) -> None:
    """The command line that people know, in terms of the commands."""
    assert translate(arguments) == expected
