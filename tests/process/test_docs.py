"""The documentation does what it says: every command block is run, every link leads somewhere, the YAML is a config."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jenkins_mlflow.config import schema as config
from support.jenkins import TOKEN, USER, FakeJenkins
from support.seeding import Spec, give_files, seed
from support.servers import Server, clean_environ, start_server

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples/heart-disease/README.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


SCRIPTS = [(page, text) for page in PAGES for text in blocks(page, "bash")]
NAMES = [f"{page.parent.name}/{page.name} {number}" for number, (page, _) in enumerate(SCRIPTS)]
CONFIGS = [
    (page, text) for page in PAGES for text in blocks(page, "yaml") if not text.startswith("unclassified:")
]  # but Jenkins' own configuration


def test_the_pages_have_commands() -> None:
    """The search finds what it is meant to check."""
    readme = ROOT / "README.md"
    assert SCRIPTS[:2] == [(readme, "make demo\n"), (readme, "make test\n")]
    assert len(SCRIPTS) >= 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that only this module uses."""
    started = start_server(tmp_path_factory.mktemp("docs"))
    yield started
    started.stop()


@pytest.fixture
def registry(server: Server) -> str:
    """The address of a registry with the models a and b, and nothing else: neither history nor journal."""
    scores = {"a": [0.7, 0.8], "b": [0.9]}
    mlflow = seed(server.store_uri, {})
    for model in mlflow.search_registered_models():
        mlflow.delete_registered_model(model.name)
    for run in mlflow.search_runs([one.experiment_id for one in mlflow.search_experiments()]):
        mlflow.delete_run(run.info.run_id)
    models = {name: [Spec({"roc_auc": value}) for value in values] for name, values in scores.items()}
    seed(server.store_uri, models)
    give_files(server.store_uri, *scores)
    return server.url


@pytest.mark.parametrize(("page", "text"), SCRIPTS, ids=NAMES)
def test_every_command_block_runs(
    page: Path, text: str, tmp_path: Path, jenkins: FakeJenkins, registry: str
) -> None:
    """Blocks run as written, beside a copy of the example, on a registry with two models and a small Jenkins.

    Make targets other than demo are only asked for their plan: `make test` would run this very test. The pages' model
    churn is the registry's model a.
    """
    folder = tmp_path / "work"
    if text.startswith("make "):
        folder = ROOT
        text = re.sub(r"^make (?!demo)", "make --dry-run ", text, flags=re.MULTILINE)
    elif page.parent.name == "heart-disease":
        shutil.copytree(page.parent, folder)
    elif page.name == "jobs.md":
        shutil.copytree(ROOT / "jobs", folder / "jobs")
        (tmp_path / ".jenkins-token").write_text(TOKEN, encoding="utf-8")
        text = text.replace("https://jenkins.example.com", jenkins.url).replace("=dana", f"={USER}")
        text = f"jenkins-mlflow jobs apply --yes\n{text}"
    else:
        folder.mkdir()
        text = re.sub(r"(--models?) churn\b", r"\1 a", text)
    environ = clean_environ(MLFLOW_TRACKING_URI=registry, **jenkins.environ)
    environ |= {"HOME": str(tmp_path)} if page.name == "jobs.md" else {}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, f"{page.name}:\n{text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page: Path) -> None:
    """A relative link names a file of the repository."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def test_the_grid_in_the_jenkins_page_expands(tmp_path: Path) -> None:
    """As the page says: one candidate of that name and five more."""
    (text,) = [text for text in blocks(ROOT / "docs/jenkins.md", "yaml") if text.startswith("train:")]
    path = tmp_path / "mlops.yaml"
    path.write_text(text, encoding="utf-8")
    train = config.load(path, {}, {}).train
    assert train is not None
    assert len(train.commands) == 6
    assert "forest-trees-100-depth-3" in train.commands


@pytest.mark.parametrize(("page", "text"), CONFIGS, ids=[page.name for page, _ in CONFIGS])
def test_every_config_in_the_pages_is_one(page: Path, text: str, tmp_path: Path) -> None:
    """A YAML block loads as it is written."""
    path = tmp_path / "mlops.yaml"
    path.write_text(text, encoding="utf-8")
    assert config.load(path, {}, {}) != config.Config(), page


def test_the_config_in_the_readme_is_one(tmp_path: Path) -> None:
    """The YAML block loads without a complaint."""
    (text,) = blocks(ROOT / "README.md", "yaml")
    path = tmp_path / "mlops.yaml"
    path.write_text(text, encoding="utf-8")
    loaded = config.load(path, {}, {})
    assert loaded.promote.exclusive
    assert loaded.train is not None
    assert set(loaded.train.candidates) == {"logistic_regression", "random_forest"}
