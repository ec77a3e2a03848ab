"""A browser follows the notice's own sentences on real servers: what they name is there, and does what they say.

Pictures of every run are left in build/pictures; docs/promote-by-hand.md shows some of them.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from conftest import MakeServer, RunCli
from support.browser import Page, PageError, open_page
from support.command import Finished
from support.proxy import CountingProxy, respond
from support.seeding import Spec, client, seed
from support.servers import Server

MakeProxy = Callable[[Server], CountingProxy]
MANY = 101  # models of which the page of a version reads the list: the first 100
OLD, NEW = Spec(stage="Production", aliases=("champion",)), Spec()
LABEL = r'"([^"]+)"'
numbers = itertools.count(1)

# What a sentence may ask for. Whatever else it has in quotes fails the test: a label that nobody looked for.
ACTIONS: dict[str, Callable[..., object]] = {
    r"open (http\S+?)[,.]?(?= |$)": Page.open,
    rf"if a dialog {LABEL} opens, answer it with {LABEL}": lambda page, title, label: (
        page.has_dialog(title, 3) and page.answer(label)
    ),
    rf"answer the dialog with {LABEL}": Page.answer,
    rf"find the row of {LABEL}, click {LABEL} below {LABEL}": lambda page, row, label, column: (
        page.click_in_row(row, column, label)
    ),
    rf"find the row of {LABEL}, click the pencil below {LABEL}": Page.click_in_row,
    r"type (\S+?),": Page.type,
    r"press Enter": Page.press_enter,
    r"remove (\S+)": Page.remove,
    rf"switch off {LABEL}": Page.switch_off,
    rf"open the drop-down beside {LABEL}": Page.open_drop_down,
    rf"choose {LABEL}": Page.choose,
    rf"tick {LABEL}": Page.tick,
    rf"click {LABEL}": Page.answer,
    r"when the page shows (\S+), and only then": lambda page, stage: page.wait_for_value("Stage", stage),
}
SENTENCE = re.compile("|".join(f"(?:{pattern})" for pattern in ACTIONS), re.IGNORECASE)


@dataclass(frozen=True)
class Notice:
    """What the command printed: its steps, without the numbers, and all of its text."""

    steps: tuple[str, ...]
    text: str

    @classmethod
    def of(cls, done: Finished) -> Notice:
        assert done.code == 4, done.stderr
        text = done.stderr[done.stderr.index("PROMOTE BY HAND") :]
        section = text.partition("Promote by hand in MLflow's UI\n")[2].partition("\n\n")[0]
        return cls(tuple(re.sub(r"^ *\d+\. ", "", line) for line in section.splitlines()), text)

    @property
    def check(self) -> list[str]:
        """The arguments of the command that the last step names."""
        (command,) = (step.removeprefix("Check: ") for step in self.steps if step.startswith("Check: "))
        program, *arguments = shlex.split(command)
        assert program == "jenkins-mlflow"
        return arguments


def actions_of(step: str) -> list[str]:
    unmatched = SENTENCE.sub("", step)
    assert '"' not in unmatched, f"nobody looked for what is in quotes: {unmatched}"
    actions = [found[0] for found in SENTENCE.finditer(step)]
    assert actions, step
    return actions


def follow(page: Page, notice: Notice, picture: str = "") -> None:
    """Do what the steps say, in their order; after a confirmed stage change, wait for what the page makes of it.

    Raises:
        PageError: The page showed an error message.
    """
    for step in notice.steps:
        if step.startswith(("Check: ", "If http")):  # commands for a shell
            continue
        for found in actions_of(step):
            for pattern, act in ACTIONS.items():
                if match := re.fullmatch(pattern, found, re.IGNORECASE):
                    act(page, *match.groups())
                    break
            for shows, of in {"type": "alias", "open the drop-down": "stages", "tick": "confirm"}.items():
                if picture and found.startswith(shows):
                    page.picture(f"{picture}-{of}")
        if stage := re.search(r'"Transition to -> (\w+)"', step):
            page.wait_for_value("Stage", stage[1])
            if picture and stage[1] == "Production":
                page.picture(f"{picture}-done")


@pytest.fixture
def promote(make_proxy: MakeProxy, run_cli: RunCli) -> Callable[..., Notice]:
    """``promote(server, "--model=m", ...)``: the notice of a command for which no write to stage or alias works.

    The browser goes to the server itself, as the config's ``ui.url`` says.
    """

    def run(server: Server, *arguments: str, version_known: bool = True, exclusive: bool = False) -> Notice:
        proxy = make_proxy(server)
        proxy.inject(respond(400), method="POST", path="transition-stage")
        proxy.inject(respond(400), method="POST", path="registered-models/alias")
        if not version_known:
            proxy.inject(respond(404), path="/version")
            proxy.inject(respond(404), path="probe")  # nor its kind of store
        env = {"MLOPS__UI__URL": server.url, "MLOPS__PROMOTE__EXCLUSIVE": str(exclusive).lower()}
        return Notice.of(run_cli("promote", *arguments, f"--tracking-uri={proxy.url}", env=env))

    return run


def marks(server: Server, name: str) -> dict[int, tuple[str, list[str]]]:
    """Stage and aliases of every version, read from the server itself."""
    mlflow = client(server.url)
    aliases = mlflow.get_registered_model(name).aliases
    return {
        int(found.version): (
            str(found.current_stage),
            [alias for alias, version in aliases.items() if str(version) == str(found.version)],
        )
        for found in mlflow.search_model_versions(f"name = '{name}'")
    }


def assert_promoted(server: Server, name: str) -> None:
    assert marks(server, name) == {1: ("Archived", []), 2: ("Production", ["champion"])}


@pytest.mark.parametrize("version_known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("version", ["3.17.2", "2.22.4"])
def test_the_steps_promote(
    version: str,
    version_known: bool,
    make_server: MakeServer,
    promote: Callable[..., Notice],
    run_cli: RunCli,
) -> None:
    """From the link to the confirmed stage, with the alias; then the registry says so, and so does the step's check.

    A server of which nothing is known may be an affected one: there the old version is archived last, by a step of its
    own. With more than a hundred models, a version's page would not show its aliases.
    """
    server = make_server(version)
    name = f"heart disease {next(numbers)}"
    for number in range(MANY):
        client(server.url).create_registered_model(f"a model before {name} {number}")
    seed(server.url, {name: [OLD, NEW] if version_known else [OLD]})
    if not version_known:  # the kind of store would show in the address where the server itself keeps a model
        client(server.url).create_model_version(name, "s3://models/churn")
    notice = promote(server, f"--model={name}", "--version=2", version_known=version_known)
    assert any(" tick " in step for step in notice.steps) == version_known
    what = f"notice-{version.rpartition('.')[0]}" + ("" if version_known else "-unknown")
    with open_page(what) as page:
        follow(page, notice, what)
    assert_promoted(server, name)
    shown = run_cli(*notice.check)
    assert shown.code == 0
    assert re.search(r"2\b.*Production", shown.stdout), shown.stdout


def test_an_exclusive_group_keeps_one_champion(
    make_server: MakeServer, promote: Callable[..., Notice], run_cli: RunCli
) -> None:
    """The champion of another model loses alias and stage by the steps as well, after the new one has them."""
    server, name = make_server(), f"byhand{next(numbers)}"
    seed(server.url, {f"{name}-a": [OLD, Spec(stage="Staging", aliases=("newest",))], f"{name}-b": [OLD]})
    arguments = (f"--models={name}-*", f"--model={name}-a", "--version=2")
    notice = promote(server, *arguments, exclusive=True)
    with open_page("notice-exclusive") as page:
        follow(page, notice)
    assert marks(server, f"{name}-a") == {1: ("Archived", []), 2: ("Production", ["champion", "newest"])}
    assert marks(server, f"{name}-b") == {1: ("Archived", [])}
    assert f"--models {name}-a --models {name}-b" in notice.text


def test_an_affected_server_fails_in_its_ui_as_the_notice_says(
    make_server: MakeServer, run_cli: RunCli, tmp_path: Path
) -> None:
    """3.3.2 on files: the page shows the error, nothing changes, the log names it; the command for the folder works.

    The old version has no linked metrics: with the box ticked, this server would archive it, fail on the new one,
    and leave nothing in production.
    """
    server, name = make_server("3.3.2", "file"), f"heart disease {next(numbers)}"
    seed(server.url, {name: [OLD, Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    done = run_cli("promote", f"--model={name}", "--version=2", f"--tracking-uri={server.url}")
    notice = Notice.of(done)
    assert "No: the server is MLflow 3.3.2 and keeps its registry in files" in notice.text
    promised = re.search(rf"the page shows {LABEL}.* log says {LABEL}", notice.text)
    assert promised
    before = marks(server, name)
    assert {number: stage for number, (stage, _) in before.items()} == {1: "Production", 2: "None"}
    log = len(server.log)
    with open_page("notice-3.3") as page:
        with pytest.raises(PageError, match=promised[1]):
            follow(page, notice, "notice-3.3")
        page.picture("notice-3.3-error")
        assert page.value("Stage") == "None"
    assert marks(server, name) == before
    assert promised[2] in server.log[log:]

    command = re.search(r"on the machine that has the server's folder: jenkins-mlflow (.*)", notice.text)
    assert command
    fixed = run_cli(*shlex.split(command[1].replace("/path/to/mlruns", shlex.quote(server.store_uri))))
    assert fixed.code == 0, fixed.stderr
    assert_promoted(server, name)


def test_what_ticking_the_box_would_do_on_an_affected_server(make_server: MakeServer) -> None:
    """Why the notice advises against it: MLflow archives the old version, then fails, and nothing is in production.

    When this fails, the advice can go.
    """
    server, name = make_server("3.3.2", "file"), f"heart disease {next(numbers)}"
    seed(server.url, {name: [OLD, Spec(metrics={"roc_auc": 0.9}, linked=True)]})
    done = requests.post(
        f"{server.url}/api/2.0/mlflow/model-versions/transition-stage",
        json={"name": name, "version": "2", "stage": "Production", "archive_existing_versions": True},
        timeout=60,
    )
    assert done.status_code == 500
    assert {stage for stage, _ in marks(server, name).values()} == {"Archived", "None"}
