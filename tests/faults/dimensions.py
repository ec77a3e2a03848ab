"""Three more ways to break a promise: a write refused for good, a foreign hand at MLflow's UI, a holder that sleeps.

Each is tried at every request of a command. The invariants are those of the design: never without production by our
own doing; never two by our own doing; "promoted" only if the last look shows it; what a person set stands or is told;
recovery converges.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from enumeration import Cell
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.tags import INTENT_TAG
from mlflow import MlflowClient
from runner import Ended, Zygote
from support.proxy import Answer, CountingProxy, Fault, Request, Send, respond
from support.seeding import client
from support.servers import Server

Hand = Callable[[MlflowClient, str], None]


def is_write(request: str) -> bool:
    """Whether a request, as `POST registered-models/alias`, changes something."""
    return not request.startswith("GET") and "search" not in request


def stage(number: int, to: str, *, archive: bool = False) -> Hand:
    return lambda mlflow, model: void(mlflow.transition_model_version_stage(model, str(number), to, archive))


def alias(number: int) -> Hand:
    return lambda mlflow, model: mlflow.set_registered_model_alias(model, "champion", str(number))


def void(_: object) -> None:
    """Drop a result."""


HANDS: dict[str, Hand] = {
    "promotes 3": stage(3, "Production"),
    "promotes 3, archives": stage(3, "Production", archive=True),
    "puts 1 back": stage(1, "Production", archive=True),
    "moves the alias": alias(3),
    "deletes 2": lambda mlflow, model: mlflow.delete_model_version(model, "2"),
    "deletes 1": lambda mlflow, model: mlflow.delete_model_version(model, "1"),
}


@dataclass
class Bench:
    """One command on fresh models again and again, behind a proxy.

    Attributes:
        server: Where.
        seed: Makes the situation under a fresh name: version 1 in production, 2 to be promoted, 3 beside them.
        argv: The command.
        serving: The model that production is.
        env: Its settings; NAME stands for the fresh name.
    """

    server: Server
    folder: Path
    name: str
    seed: Callable[[str], None]
    argv: Callable[[str], Sequence[str]]
    serving: Callable[[str], str] = str
    env: dict[str, str] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self) -> str:
        name = f"{self.name.replace(' ', '-')}-{next(self.numbers)}"
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
        return self.run(zygote, name, uri, "promote", "--recover", "--models", name)


def production(model: Model) -> set[int]:
    """The versions in production by either mark."""
    staged = {version.number for version in model.versions if version.stage == "Production"}
    return staged | ({model.aliases["champion"]} if "champion" in model.aliases else set())


def told(ended: Ended) -> str:
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
                wrong = "" if production(bench.live(name)) else f"nothing is in production; {told(ended)}"
                proxy.reset()
                bench.recover(zygote, name, proxy.url)
                wrong = wrong or wrong_after_recovery(bench, name)
                cells.append(Cell(point, request, f"403 {short(write)}", "X" if wrong else "k", wrong))
    return cells


def foreign_hands(
    bench: Bench, hands: dict[str, Hand], only: Callable[[str], bool] = lambda request: True
) -> list[Cell]:
    """Somebody at MLflow's UI changes production at every request, before it is served and after.

    Args:
        bench: The command.
        hands: What is done.
        only: Which requests, by their name; all by default.
    """
    cells: list[Cell] = []
    with Zygote(bench.folder / "foreign") as zygote, CountingProxy(bench.server.url) as proxy:
        points = bench.points(zygote, proxy)
        last_look = max(number for number, point in enumerate(points, 1) if point.startswith("GET"))
        mlflow = client(bench.server.url)
        for number, request in enumerate(points, 1):
            if not only(request):
                continue
            for (what, hand), after in itertools.product(hands.items(), (False, True)):
                name = bench.fresh()
                proxy.reset()
                proxy.inject(acting(hand, mlflow, bench.serving(name), after=after), nth=number, times=1)
                ended = bench.run(zygote, name, proxy.url)
                proxy.reset()
                planned = (number, after) < (2, True)  # the plan saw it
                seen = number < last_look or (number == last_look and not after)
                wrong = wrong_with_hand(bench, name, what, ended, seen=seen, planned=planned)
                second = bench.recover(zygote, name, proxy.url)
                if not wrong and bench.live(name).tags.get(INTENT_TAG):
                    wrong = f"an intent is left; {told(second)}"
                if not wrong:
                    wrong = wrong_with_hand(bench, name, what, None, seen=seen, planned=planned)
                kind = f"{what} {'after' if after else 'before'}"
                cells.append(Cell(number, request, kind, "X" if wrong else letter(ended), wrong))
    return cells


def wrong_without_fault(bench: Bench, name: str, ended: Ended) -> str:
    """After a command whose writes were refused: as before, or done, and said so."""
    now = production(bench.live(name))
    if "Traceback" in ended.stderr or "this is a bug" in ended.stderr:
        return f"a traceback: {ended.stderr}"
    if not now:
        return f"nothing is in production; {told(ended)}"
    if ended.code == 0 and now != wanted(bench, name):
        return f"said done, but in production is {now}; {told(ended)}"
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


def wrong_with_hand(
    bench: Bench, name: str, what: str, ended: Ended | None, *, seen: bool, planned: bool
) -> str:
    """What is wrong after the command (``ended``), or after the recovery (None); empty if nothing is."""
    model = bench.live(name)
    now, staged = production(model), {v.number for v in model.versions if v.stage == "Production"}
    said, text = (ended.doc.get("message", ""), ended.stderr) if ended else ("", "")
    done = ended is not None and ended.code == 0 and seen
    archived = ended is None or "3 was archived at that moment" in said
    checks = {
        "a traceback": "Traceback" in text or "this is a bug" in text,
        "nothing is in production": not now and not what.startswith("deletes"),
        "two of ours are in production": len(staged - {3}) > 1,
        "said promoted": done and now != wanted(bench, name),
        "what a person put into production is gone": what.startswith("promotes 3")
        and not planned
        and 3 not in staged
        and not archived,
    }
    wrong = next((title for title, holds in checks.items() if holds), "")
    detail = f"{[(v.number, v.stage) for v in model.versions]} {model.aliases}"
    return f"{wrong}: {detail}" + (f"; {told(ended)}" if ended else "") if wrong else ""


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


def acting(hand: Hand, mlflow: MlflowClient, model: str, *, after: bool) -> Fault:
    def fault(request: Request, send: Send) -> Answer:
        if after:
            answer = send()
            hand(mlflow, model)
            return answer
        hand(mlflow, model)
        return send()

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
