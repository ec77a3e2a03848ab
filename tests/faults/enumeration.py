"""Every request of a command x every kind of fault: what comes of it, and what the next commands make of that."""

from __future__ import annotations

import contextlib
import functools
import itertools
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder, is_running
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.tags import HOLDER_TAG, INTENT_TAG
from mlflow.exceptions import MissingConfigException
from runner import PATIENT, Ended, Zygote
from support.proxy import Answer, CountingProxy, Fault, Request, Send, delay, drop_after, drop_before, respond
from support.seeding import client
from support.servers import Server

GARBAGE = "<html>this is no MLflow</html>"
WORKERS = 2


def kill(zygote: Zygote, after: bool) -> Fault:
    """SIGKILL to the command when its request arrives, or when it has taken effect and before it is answered."""

    def fault(request: Request, send: Send) -> Answer:
        answer = send() if after else Answer(500, b"")
        zygote.kill()
        time.sleep(0.02)
        return answer

    return fault


def garbage_after(request: Request, send: Send) -> Answer:
    send()
    return Answer(200, GARBAGE.encode(), (("Content-Type", "text/html"),))


def busy(request: Request, send: Send) -> Answer:
    return Answer(429, b"", (("Retry-After", "1"),))


def effect_then_500(request: Request, send: Send) -> Answer:
    send()
    return Answer(500, b"<h1>Internal Server Error</h1>")


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Attributes:
        stays: Whether it meets every request from there on, not just one.
        at: Which requests it is tried at.
    """

    name: str
    fault: Callable[[Zygote], Fault]
    stays: bool = False
    at: Callable[[str], bool] = lambda request: True


def always(fault: Fault) -> Callable[[Zygote], Fault]:
    return lambda zygote: fault


KINDS = (
    Kind("lost before", always(drop_before)),
    Kind("lost after", always(drop_after)),
    Kind("500", always(respond(500, GARBAGE))),
    Kind("500 after", always(effect_then_500)),
    Kind("503", always(respond(503, GARBAGE))),
    Kind("429", always(busy)),
    Kind("hang", always(delay(1.5))),
    Kind("garbage", always(respond(200, GARBAGE))),
    Kind("garbage after", always(garbage_after)),
    Kind("gone for good", always(drop_before), stays=True),
    Kind("killed before", functools.partial(kill, after=False)),
    Kind("killed after", functools.partial(kill, after=True)),
)


@dataclass(frozen=True)
class Scenario:
    """A command in a situation.

    Attributes:
        name: For the table.
        server: The server that it works on.
        seed: Makes the situation under a fresh name.
        argv: The command for a name.
        healthy: What must hold of the model at any time after the next command; else what is wrong.
        done: What must hold when the command has said that all is done, and in the end; else what is wrong.
        env: Its settings; NAME in a value stands for the fresh name.
        serving: The model that production is, for a name.
        late: What a request may leave that hung and took effect when it had been repeated, as healthy and done word it,
            after they have looked at everything else.
        nexts: The commands that may come next; NEXT by default.
        by_hand: Whether exit 4, a person must go on, is what comes out without any fault.
        ends: Looks, in the very end, at what the registry's model does not show; else what is wrong. It may write.
    """

    name: str
    server: Server
    seed: Callable[[str], None]
    argv: Callable[[str], Sequence[str]]
    healthy: Callable[[Model], str]
    done: Callable[[Model], str]
    env: dict[str, str] = field(default_factory=dict)
    by_hand: bool = False
    nexts: tuple[Callable[[str], Sequence[str]], ...] = ()
    serving: Callable[[str], str] = str
    late: str = ""
    ends: Callable[[str], str] = lambda name: ""

    def settings(self, name: str) -> dict[str, str]:
        return {key: value.replace("NAME", name) for key, value in self.env.items()}


@dataclass(frozen=True)
class Cell:
    """What came of one fault at one request."""

    point: int
    request: str
    kind: str
    letter: str
    wrong: str = ""


NEXT: tuple[Callable[[str], Sequence[str]], ...] = (
    lambda name: ("promote", "--recover", "--models", name),
    lambda name: ("cleanup", "--yes", "--keep-last=9", "--models", name),
    lambda name: ("promote", "--models", name, "--model", name, "--version", "1"),
)


class Enumeration:
    """All cells of one scenario, in parallel on a few workers.

    Args:
        scenario: What is run.
        folder: For the commands' output.
        kinds: The faults.
        only: Which requests are broken, by their name; all by default.
        told: What is wrong with what the broken command said, given the model after it.
    """

    def __init__(
        self,
        scenario: Scenario,
        folder: Path,
        kinds: Sequence[Kind] = KINDS,
        only: Callable[[str], bool] = lambda request: True,
        told: Callable[[Ended, Model], str] = lambda ended, model: "",
    ) -> None:
        self._scenario = scenario
        self._folder = folder
        self._kinds = kinds
        self._only = only
        self._told = told
        self._names = itertools.count(1)
        self._registry = Registry(connect(scenario.server.url))

    def run(self) -> list[Cell]:
        """Count the requests of a clean run, then break each of them in each way."""
        points = self._points()
        work: queue.SimpleQueue[tuple[int, str, Kind]] = queue.SimpleQueue()
        for (number, request), kind in itertools.product(enumerate(points, 1), self._kinds):
            if self._only(request) and kind.at(request):
                work.put((number, request, kind))
        cells: list[Cell] = []
        errors: list[BaseException] = []

        def worker(number: int) -> None:
            try:
                with (
                    Zygote(self._folder / str(number)) as zygote,
                    CountingProxy(self._scenario.server.url) as proxy,
                ):
                    while not errors:
                        try:
                            cell = work.get_nowait()
                        except queue.Empty:
                            return
                        cells.append(self._cell(zygote, proxy, *cell))
            except BaseException as error:  # noqa: BLE001  shown by the test
                errors.append(error)

        # a file store cannot be listed while a model, which another worker has done with, is removed
        workers = 1 if self._scenario.server.store == "file" else WORKERS
        threads = [threading.Thread(target=worker, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return sorted(cells, key=lambda cell: (cell.point, cell.kind))

    def _fresh(self) -> str:
        name = f"{self._scenario.name.replace(' ', '-')}-{next(self._names)}"
        for _ in range(5):
            try:
                self._scenario.seed(name)
            except MissingConfigException:  # a file store cannot list while another worker's lock goes away
                continue
            return name
        raise AssertionError(f"{name} cannot be seeded")

    def _points(self) -> list[str]:
        scenario, name = self._scenario, self._fresh()
        with Zygote(self._folder / "count") as zygote, CountingProxy(scenario.server.url) as proxy:
            ended = zygote.run(*scenario.argv(name), "--tracking-uri", proxy.url, **scenario.settings(name))
            assert ended.code == (4 if scenario.by_hand else 0), ended
            assert not (wrong := self._wrong_after(name, ended)), wrong
            return [str(request) for request in proxy.requests]

    def _cell(self, zygote: Zygote, proxy: CountingProxy, point: int, request: str, kind: Kind) -> Cell:
        scenario, name = self._scenario, self._fresh()
        proxy.reset()
        fault = kind.fault(zygote)
        proxy.inject(
            # parallel requests do not come in the same order each time
            lambda request, send: fault(request, send) if kind.at(str(request)) else send(),
            nth=point,
            times=float("inf") if kind.stays else 1,
        )
        first = zygote.run(*scenario.argv(name), "--tracking-uri", proxy.url, **scenario.settings(name))
        wrong = self._wrong_after(name, first)
        url = scenario.server.url
        nexts = scenario.nexts or NEXT
        argv = nexts[(point + len(kind.name)) % len(nexts)](name)
        calm = scenario.settings(name) | PATIENT
        second = zygote.run(*argv, "--tracking-uri", url, **calm)
        wrong = wrong or self._wrong_next(name, first, second)
        last = zygote.run(*scenario.argv(name), "--tracking-uri", url, **calm)
        wrong = wrong or self._wrong_last(name, last)
        if kind.name == "hang" and scenario.late and scenario.late in wrong:
            wrong = ""
        if wrong:
            wrong = (
                f"{scenario.name}: {name}: {kind.name} at {point} ({request}), then {argv[:2]}: {wrong}\n"
                + "\n".join(
                    f"-- {title} (exit {ended.code})\n{ended.stderr}"
                    for title, ended in (
                        ("the command", first),
                        ("the next", second),
                        ("the same again", last),
                    )
                )
            )
            print(wrong, flush=True)  # a table takes long
        else:
            self._forget(name)
        return Cell(point, request, kind.name, "X" if wrong else _letter(first, second), wrong)

    def _forget(self, name: str) -> None:
        """Remove what the cell made: each list grows slower with it, by half a minute for 170 models in files."""
        for model in {name, self._scenario.serving(name)}:
            client(self._scenario.server.url).delete_registered_model(model)
        if self._scenario.server.store == "file":
            forget_runs(Path(self._scenario.server.store_uri))

    def _model(self, name: str) -> Model:
        return self._registry.model(name)

    def _serving(self, name: str) -> Model:
        return self._model(self._scenario.serving(name))

    def _wrong_after(self, name: str, ended: Ended) -> str:
        """What is wrong right after the command, before any other: what it said must be so."""
        if "this is a bug" in ended.stderr or "Traceback" in ended.stderr:
            return "a traceback"
        if ended.code not in (0, 1, 4, 5, 6, -9):
            return f"exit code {ended.code}"
        if ended.code == 0 and (wrong := self._scenario.done(self._serving(name))):
            return f"said {ended.doc.get('status')!r}, but {wrong}"
        if wrong := self._told(ended, self._serving(name)):
            return wrong
        if ended.code == 4 and (wrong := self._scenario.healthy(self._serving(name))):
            # a request that got no answer took effect late: the intent is left for the next command, which undoes it
            return "" if self._is_unfinished(name) else f"by hand, and {wrong}"
        return ""

    def _wrong_next(self, name: str, first: Ended, second: Ended) -> str:
        """What is wrong after the next command: it must have made whole what the first left."""
        if second.code not in (0, 3, 4):
            return f"the next command ended with {second.code}"
        if self._is_unfinished(name):
            return "an intent is left"
        if wrong := self._scenario.healthy(self._serving(name)):
            return f"after the next command {wrong}"
        if alive := self._living_locks(name):
            return f"a living lock is left: {alive}"
        return ""

    def _wrong_last(self, name: str, last: Ended) -> str:
        """What is wrong after the same command has run again, with no fault: it converges."""
        if last.code != (4 if self._scenario.by_hand else 0):
            return f"the same command again ended with {last.code}"
        if wrong := self._scenario.done(self._serving(name)):
            return f"in the end {wrong}"
        if self._is_unfinished(name):
            return "in the end an intent is left"
        if alive := self._living_locks(name):
            return f"in the end a living lock is left: {alive}"
        if wrong := self._scenario.ends(name):
            return f"in the very end {wrong}"
        return ""

    def _is_unfinished(self, name: str) -> bool:
        return bool(self._serving(name).tags.get(INTENT_TAG))

    def _locks(self, name: str) -> list[Holder]:
        holders = [Holder.from_tag(tags.get(HOLDER_TAG, "")) for _, _, tags, _ in self._registry.flags()]
        return [holder for holder in holders if name in holder.writes]

    def _living_locks(self, name: str) -> list[Holder]:
        return [holder for holder in self._locks(name) if is_running(holder.pid, holder.started)]


def forget_runs(store: Path) -> None:
    """Remove all runs and logged models of a file store; its experiments stay."""
    for experiment in store.glob("[0-9]*"):
        for folder in experiment.iterdir():
            if folder.is_dir() and folder.name != "tags":
                shutil.rmtree(folder)


def _letter(first: Ended, second: Ended) -> str:
    recovered = {item["outcome"] for item in second.doc.get("recovered", ())}
    if first.code == 0:
        return "d"
    if recovered:
        return {"finished": "F", "undone": "U", "left": "L"}[recovered.pop()]
    return "H" if first.code == 4 else "n"


LEGEND = (
    "d: done in spite of the fault; n: ended with an error, nothing was half done; F: the next command finished it; "
    "U: the next command undid it; L: the next command found nothing to change; "
    "H: a person is asked, all is as before; X: an invariant was violated"
)


def table(title: str, cells: Sequence[Cell], kinds_of_fault: Sequence[Kind] = KINDS) -> str:
    """Requests x faults, as Markdown."""
    kinds = [kind.name for kind in kinds_of_fault if any(cell.kind == kind.name for cell in cells)]
    points = sorted({(cell.point, cell.request) for cell in cells})
    found = {(cell.point, cell.kind): cell.letter for cell in cells}
    rows = [
        f"| {point} | {request} | " + " | ".join(found.get((point, kind), "") for kind in kinds) + " |"
        for point, request in points
    ]
    head = ["|  | request | " + " | ".join(kinds) + " |", "| ---: | --- |" + " --- |" * len(kinds)]
    bad = sum(cell.letter == "X" for cell in cells)
    return "\n".join([f"### {title}", "", f"{len(cells)} cells, {bad} violations.", "", *head, *rows, ""])


@contextlib.contextmanager
def collected(file: Path, *head: str) -> Iterator[Callable[[str], None]]:
    """Takes tables, and writes them into a file in the end, below ``head``."""
    tables: list[str] = []
    yield tables.append
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join([*head, *tables]), encoding="utf-8")
