"""A copy to another server, broken at each of its requests: what is in production there is whole, or as it was.

`make test-faults` breaks each request in four ways on both servers; `make test-promises` every sixth in one way.
"""

from __future__ import annotations

import filecmp
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import MakeServer
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.promote.to_server import promote_to
from jenkins_mlflow.commands.promote.wish import PromoteWish
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.promote import LockRules, Promote, Retry
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.config.servers import OtherServer
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.terminal import Terminal
from support.proxy import (
    Answer,
    CountingProxy,
    Dropped,
    Fault,
    Request,
    Send,
    drop_after,
    drop_before,
    respond,
)
from support.seeding import client
from support.servers import Server, clean_environ
from support.stored import Made, register
from support.thorough import THOROUGH

Proxies = Callable[[Server], CountingProxy]
NAME, INTO = "broken-copy", "prod-broken-copy"
paddings = itertools.count(1000)


class Scene:
    """Two servers, each behind a proxy; every version has other files than those before it."""

    def __init__(self, here: Server, other: Server, proxies: Proxies, folder: Path) -> None:
        self.here, self.other = here, other
        self.a, self.b = proxies(here), proxies(other)
        self._folder = folder

    def trained(self) -> Made:
        made = register(self.here.url, NAME, padding=next(paddings))
        client(self.here.url).log_param(made.run_id, "depth", "3")
        return made

    def promote(self, made: Made, attempts: int = 1) -> str:
        """Its status; what stopped it, if something did."""
        rules = Promote(
            retry=Retry.model_validate({"attempts": attempts, "max_wait": "50ms", "deadline": "20s"}),
            lock=LockRules.model_validate({"wait": "40s", "lease": "6s"}),
        )
        servers = {"prod": OtherServer(uri=self.b.url, model="prod-{model}")}
        config = Config(models=(NAME,), promote=rules, servers=servers)
        session = Session(config, self.a.url, Terminal(quiet=True), self._folder, BuildContext())
        try:
            return promote_to(session, "prod", PromoteWish(NAME, made.number))[1].status
        except JenkinsMlflowError as error:
            return f"{error.message}; {error.state}"

    def serving(self) -> Version | None:
        found = Registry(connect(self.other.url)).find_model(INTO)
        serving = [v for v in found.versions if v.stage == "Production" or v.aliases] if found else []
        assert len(serving) <= 1, serving
        return serving[0] if serving else None

    def is_whole(self, version: Version, made: Made) -> bool:
        """Whether the files on the second server's disk are those on the first's, and the run has its values."""
        mine = next(self.here.folder.rglob(made.run_id)) / "artifacts" / "model"
        theirs = next(self.other.folder.rglob(str(version.run_id))) / "artifacts" / "model"
        run = client(self.other.url).get_run(str(version.run_id))
        values = (dict(run.data.params), dict(run.data.metrics)) == ({"depth": "3"}, {"roc_auc": 0.8})
        return values and _same(filecmp.dircmp(mine, theirs, ignore=[], hide=[]))

    def copies(self, made: Made) -> int:
        found = Registry(connect(self.other.url)).find_model(INTO)
        return (
            sum(made.run_id in v.tags.get("jenkins_mlflow.copied_from", "") for v in found.versions)
            if found
            else 0
        )


def _same(seen: filecmp.dircmp[str]) -> bool:
    _, different, unknown = filecmp.cmpfiles(seen.left, seen.right, seen.common_files, shallow=False)
    whole = not (seen.left_only or seen.right_only or different or unknown)
    return whole and all(_same(below) for below in seen.subdirs.values())


@pytest.fixture
def scene(
    make_server: MakeServer, make_proxy: Proxies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "6")
    return Scene(make_server(), make_server("3.17.2", "postgresql"), make_proxy, tmp_path)


def requests_of_a_copy(scene: Scene, proxy: CountingProxy) -> int:
    """How many requests a copy makes there, up to the one that registers it, and the next."""
    scene.promote(scene.trained())
    proxy.reset()
    assert scene.promote(scene.trained()) == "promoted"
    endpoints = [str(request) for request in proxy.requests]
    proxy.reset()
    if proxy is scene.a:
        return len(endpoints)
    return endpoints.index("POST model-versions/create") + 2


# From the request on nothing gets through any more, as when the process dies; or this one is answered wrongly once.
BREAKS: list[tuple[str, Fault, float, int]] = [
    ("gone before", drop_before, float("inf"), 1),
    ("gone after", drop_after, 1, 1),
    ("answer lost once", drop_after, 1, 3),
    ("HTTP 500 once", respond(500), 1, 3),
]


TRIED = BREAKS if THOROUGH else BREAKS[1:2]


@pytest.mark.parametrize("where", ["there", "here"] if THOROUGH else ["there"])
@pytest.mark.parametrize("broken", TRIED, ids=[each[0] for each in TRIED])
def test_each_request_broken(broken: tuple[str, Fault, float, int], where: str, scene: Scene) -> None:
    """In production is the version before, or the new one whole; the next command ends with one copy, in production."""
    _, fault, times, attempts = broken
    proxy = scene.b if where == "there" else scene.a
    count = requests_of_a_copy(scene, proxy)
    failed = []
    for nth in range(1, count + 1, 1 if THOROUGH else 12):
        before, made = scene.serving(), scene.trained()
        proxy.inject(fault, nth=nth, times=times)
        said = scene.promote(made, attempts)
        proxy.reset()
        now = scene.serving()
        if now != before and not (now and scene.is_whole(now, made)):
            failed.append(f"{nth}: {said}: {now}")
        if attempts > 1 and said != "promoted":
            failed.append(f"{nth}: not promoted: {said}")
        again = scene.promote(made, 3)
        now = scene.serving()
        if (
            again not in {"promoted", "already"}
            or not (now and scene.is_whole(now, made))
            or scene.copies(made) != 1
        ):
            failed.append(f"{nth}: again: {again}: {now}, {scene.copies(made)} copies")
    assert not failed, "\n".join(failed)
    assert count > 10


KILLED = ["runs/create", "PUT 1", "PUT 3", "runs/log-batch", "model-versions/create"]


@pytest.mark.parametrize("at", KILLED if THOROUGH else ["PUT 1", "model-versions/create"])
@pytest.mark.parametrize("when", ["before", "after"] if THOROUGH else ["after"])
def test_killed(at: str, when: str, scene: Scene, tmp_path: Path) -> None:
    """Kill -9 before and after a request; what is there is gone on with: no file that arrived is sent again."""
    first, made = scene.trained(), scene.trained()
    assert scene.promote(first) in {"promoted", "already"}
    before = scene.serving()
    config = tmp_path / "mlops.yaml"
    config.write_text(
        f"models: {NAME}\npromote: {{lock: {{wait: 20s, lease: 6s}}}}\n"
        f"servers: {{prod: {{uri: '{scene.b.url}', model: 'prod-{{model}}'}}}}\n"
    )
    command = [sys.executable, "-m", "jenkins_mlflow", "promote", "--to-server=prod", f"--model={NAME}"]
    process = subprocess.Popen(
        [*command, f"--version={made.number}", "--tracking-uri", scene.a.url],
        cwd=tmp_path,
        env=clean_environ(),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )

    def kill(request: Request, send: Send) -> Answer:
        if when == "after":
            send()
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        raise Dropped

    number = at.partition(" ")[2]
    scene.b.reset()
    if number:
        scene.b.inject(kill, method="PUT", nth=int(number))
    else:
        scene.b.inject(kill, path=at)
    assert process.wait(60) == -signal.SIGKILL
    arrived = [r.path for r in scene.b.requests if r.method == "PUT"]
    assert scene.serving() == before
    scene.b.reset()
    assert scene.promote(made, 3) == "promoted"
    now = scene.serving()
    assert now
    assert scene.is_whole(now, made)
    assert scene.copies(made) == 1
    if at in {"runs/log-batch", "model-versions/create"}:
        assert arrived
        history = "/result.json"
        assert not [r for r in scene.b.requests if r.method == "PUT" and not r.path.endswith(history)]


def test_bytes_that_arrive_changed(scene: Scene) -> None:
    """A file that is another one on the second server's disk, or came short from the first, is never promoted."""
    first = scene.trained()
    assert scene.promote(first, 3) in {"promoted", "already"}
    before, made = scene.serving(), scene.trained()

    def spoil(request: Request, send: Send) -> Answer:
        answer = send()
        file = scene.other.folder / "artifacts" / request.path.partition("/artifacts/")[2]
        file.write_bytes(b"y" * file.stat().st_size)
        return answer

    scene.b.inject(spoil, method="PUT", path="padding.bin")
    state = "it was not registered there, and nothing in production was changed"
    assert scene.promote(made, 3) == (
        f"padding.bin of {NAME} version {made.number} did not arrive on {scene.b.url} unchanged; {state}"
    )
    scene.b.reset()
    assert scene.serving() == before

    def shorten(request: Request, send: Send) -> Answer:
        answer = send()
        return Answer(answer.status, answer.body[:-1], answer.headers)

    scene.a.inject(shorten, path="padding.bin")
    assert scene.promote(made, 3) == (
        f"{NAME} version {made.number} or its files were changed while they were copied to {scene.b.url}; {state}"
    )
    scene.a.reset()
    assert scene.serving() == before
    assert scene.promote(made, 3) == "promoted"
    now = scene.serving()
    assert now
    assert scene.is_whole(now, made)


def test_a_copy_that_was_damaged_later(scene: Scene) -> None:
    """A copy whose files were changed on the second server is not promoted again: another copy is made."""
    first, second = scene.trained(), scene.trained()
    assert scene.promote(first, 3) in {"promoted", "already"}
    damaged = scene.serving()
    assert damaged
    assert scene.promote(second, 3) == "promoted"
    file = next(scene.other.folder.rglob(str(damaged.run_id))) / "artifacts" / "model" / "padding.bin"
    file.write_bytes(b"y" * file.stat().st_size)
    assert scene.promote(first, 3) == "promoted"
    now = scene.serving()
    assert now
    assert now.number > damaged.number
    assert scene.is_whole(now, first)
    assert scene.copies(first) == 2
