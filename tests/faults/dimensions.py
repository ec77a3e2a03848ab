"""Three more ways to break a promise: a write refused for good, a foreign hand at MLflow's UI, a holder that sleeps.

Each is tried at every request of a command. The invariants are those of the design: never without production by our
own doing; never two by our own doing; "promoted" only if the last look shows it; what a person set stands or is told;
recovery converges.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from enumeration import Cell, forget_runs
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.tags import INTENT_TAG
from runner import Ended, Zygote
from support.proxy import Answer, CountingProxy, Fault, Request, Send, respond
from support.servers import Server


def is_write(request: str) -> bool:
    """Whether a request, as `POST registered-models/alias`, changes something."""
    return not request.startswith("GET") and "search" not in request


@dataclass
class Bench:
    """One command on fresh models again and again, behind a proxy.

    Attributes:
        server: Where.
        seed: Makes the situation under a fresh name: version 1 in production, 2 to be promoted, 3 beside them.
        argv: The command.
        rival: What another account promotes meanwhile.
        serving: The model that production is.
        names: Every model that the command is about.
        env: Its settings; NAME stands for the fresh name.
    """

    server: Server
    folder: Path
    name: str
    seed: Callable[[str], None]
    argv: Callable[[str], Sequence[str]]
    rival: Callable[[str], Sequence[str]] = lambda name: (
        "promote",
        "--models",
        name,
        "--model",
        name,
        "--version",
        "3",
    )
    serving: Callable[[str], str] = str
    names: Callable[[str], Sequence[str]] = lambda name: (name,)
    env: dict[str, str] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self) -> str:
        name = f"{self.name.replace(' ', '-')}-{next(self.numbers)}"
        if self.server.store == "file":  # each list reads all of it: half a minute a cell with 170 models
            for model in (Path(self.server.store_uri) / "models").iterdir():
                shutil.rmtree(model)
            forget_runs(Path(self.server.store_uri))
        self.seed(name)
        return name

    def run(self, zygote: Zygote, name: str, uri: str, *argv: str) -> Ended:
        settings = {key: value.replace("NAME", name) for key, value in self.env.items()}
        return zygote.run(*(argv or self.argv(name)), "--tracking-uri", uri, **settings)

    def live(self, name: str) -> Model:
        return Registry(connect(self.server.url)).model(self.serving(name))

    def points(self, zygote: Zygote, proxy: CountingProxy) -> list[str]:
        """The requests of a clean run."""
        name = self.fresh()
        proxy.reset()
        ended = self.run(zygote, name, proxy.url)
        assert ended.code == 0, ended.stderr
        return [str(request) for request in proxy.requests]

    def recover(self, zygote: Zygote, name: str, uri: str) -> Ended:
        return self.run(zygote, name, uri, "promote", "--recover", "--models", self.group(name))

    def group(self, name: str) -> str:
        """The pattern of the models that the command is about."""
        argv = self.argv(name)
        return argv[argv.index("--models") + 1]


def production(model: Model) -> set[int]:
    """The versions in production by either mark."""
    staged = {version.number for version in model.versions if version.stage == "Production"}
    return staged | ({model.aliases["champion"]} if "champion" in model.aliases else set())


def outcome_text(ended: Ended) -> str:
    return f"exit {ended.code}: {ended.doc.get('message', '')} {ended.stderr[-600:]}"


def refused_writes(bench: Bench) -> list[Cell]:
    """Every kind of write refused (403) during the command, and during the recovery after a kill at each write."""
    cells: list[Cell] = []
    with Zygote(bench.folder / "refused") as zygote, CountingProxy(bench.server.url) as proxy:
        points = bench.points(zygote, proxy)
        writes = list(dict.fromkeys(point for point in points if is_write(point)))
        writes.append("DELETE registered-models/alias")
        for write in dict.fromkeys(writes):
            name = bench.fresh()
            proxy.reset()
            refuse(proxy, write)
            ended = bench.run(zygote, name, proxy.url)
            proxy.reset()
            wrong = wrong_without_fault(bench, name, ended)
            bench.recover(zygote, name, proxy.url)
            if (
                ended.doc.get("status") != "partial"
            ):  # the method alias sets the alias alone, and asks for a person
                wrong = wrong or wrong_after_recovery(bench, name)
            cells.append(Cell(0, write, "403 always", "X" if wrong else letter(ended), wrong))
        for point, request in enumerate(points, 1):
            if not is_write(request):
                continue
            for write in dict.fromkeys(writes):
                name = bench.fresh()
                proxy.reset()
                proxy.inject(killing(zygote), nth=point, times=1)
                bench.run(zygote, name, proxy.url)
                proxy.reset()
                refuse(proxy, write)
                ended = bench.recover(zygote, name, proxy.url)
                wrong = (
                    "" if production(bench.live(name)) else f"nothing is in production; {outcome_text(ended)}"
                )
                proxy.reset()
                bench.recover(zygote, name, proxy.url)
                wrong = wrong or wrong_after_recovery(bench, name)
                cells.append(Cell(point, request, f"403 {short(write)}", "X" if wrong else "k", wrong))
    return cells


def wrong_without_fault(bench: Bench, name: str, ended: Ended) -> str:
    """After a command whose writes were refused: as before, or done, and said so."""
    now = production(bench.live(name))
    if "Traceback" in ended.stderr or "this is a bug" in ended.stderr:
        return f"a traceback: {ended.stderr}"
    if not now:
        return f"nothing is in production; {outcome_text(ended)}"
    if ended.doc.get("status") in ("promoted", "rolled_back") and now != wanted(bench, name):
        return f"said done, but in production is {now}; {outcome_text(ended)}"
    return ""


def wanted(bench: Bench, name: str) -> set[int]:
    return {2}


def wrong_after_recovery(bench: Bench, name: str) -> str:
    model = bench.live(name)
    now = production(model)
    if len(now) != 1:
        stages = [(v.number, v.stage) for v in model.versions]
        return f"in production after the recovery: {now}, {stages} {model.aliases}"
    return f"an intent is left: {model.tags}" if model.tags.get(INTENT_TAG) else ""


def refuse(proxy: CountingProxy, write: str) -> None:
    method, path = write.split(" ", 1)
    body = '{"error_code": "PERMISSION_DENIED", "message": "Permission denied"}'
    proxy.inject(respond(403, body, "application/json"), method=method, path=path)


def killing(zygote: Zygote) -> Fault:
    def fault(request: Request, send: Send) -> Answer:
        answer = send()
        zygote.kill()
        return answer

    return fault


def letter(ended: Ended) -> str:
    return {0: "d", 1: "n", 4: "H"}.get(ended.code, str(ended.code))


def short(write: str) -> str:
    return write.replace("registered-models/", "model ").replace("model-versions/", "version ")


def grid(title: str, cells: Sequence[Cell]) -> str:
    """Requests x kinds, as Markdown."""
    kinds = list(dict.fromkeys(cell.kind for cell in cells))
    points = sorted({(cell.point, cell.request) for cell in cells})
    found = {(cell.point, cell.request, cell.kind): cell.letter for cell in cells}
    rows = [
        f"| {point} | {request} | "
        + " | ".join(found.get((point, request, kind), "") for kind in kinds)
        + " |"
        for point, request in points
    ]
    head = ["|  | request | " + " | ".join(kinds) + " |", "| ---: | --- |" + " --- |" * len(kinds)]
    bad = sum(cell.letter == "X" for cell in cells)
    return "\n".join([f"### {title}", "", f"{len(cells)} cells, {bad} violations.", "", *head, *rows, ""])


def check(title: str, cells: Sequence[Cell], report: Callable[[str], None]) -> None:
    """Show the cells as a table, and fail if one of them is wrong."""
    report(grid(title, cells))
    print(grid(title, cells))
    wrong = [f"{cell.kind} at {cell.point} {cell.request}: {cell.wrong}" for cell in cells if cell.wrong]
    print(*wrong, sep="\n", flush=True)
    assert not wrong, f"{len(wrong)} of {len(cells)} violations\n" + "\n\n".join(wrong[:8])
