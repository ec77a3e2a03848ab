"""Somebody at MLflow's UI changes production at every request of a command, before it is served and after.

The invariants: the command never leaves nothing or two in production; "promoted" only if the last look
shows it; what a person put into production stays, or the command says so; the next recovery leaves no intent.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence

from dimensions import Bench, letter, outcome_text
from enumeration import Cell
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from production import Place, State, intents, serving, staged, state
from runner import Ended, Zygote
from support.proxy import Answer, CountingProxy, Fault, Request, Send
from support.seeding import client

# What a person does to the models of a fresh name; returns what it put into production.
Hand = Callable[[MlflowClient, str], set[Place]]


def promotes(number: int, more: str = "", *, archive: bool = False) -> Hand:
    """Move a version to Production."""

    def act(mlflow: MlflowClient, name: str) -> set[Place]:
        mlflow.transition_model_version_stage(name + more, str(number), "Production", archive)
        return {(name + more, number)}

    return act


def moves_the_alias(number: int, more: str = "") -> Hand:
    def act(mlflow: MlflowClient, name: str) -> set[Place]:
        mlflow.set_registered_model_alias(name + more, "champion", str(number))
        return {(name + more, number)}

    return act


def deletes(number: int, more: str = "") -> Hand:
    def act(mlflow: MlflowClient, name: str) -> set[Place]:
        mlflow.delete_model_version(name + more, str(number))
        return set()

    return act


def recreates(more: str = "", *, stage: bool = True) -> Hand:
    """Delete the model and make it again: the same numbers and runs, version 1 in production."""

    def act(mlflow: MlflowClient, name: str) -> set[Place]:
        model = name + more
        versions = sorted(mlflow.search_model_versions(f"name = '{model}'"), key=lambda v: int(v.version))
        mlflow.delete_registered_model(model)
        mlflow.create_registered_model(model)
        for version in versions:
            mlflow.create_model_version(model, str(version.source), version.run_id)
        if stage:
            mlflow.transition_model_version_stage(model, "1", "Production")
        mlflow.set_registered_model_alias(model, "champion", "1")
        return {(model, 1)}

    return act


def copies_3(mlflow: MlflowClient, name: str) -> set[Place]:
    """Another copy goes into production."""
    run = mlflow.get_model_version(name, "3").run_id
    made = mlflow.create_model_version(f"{name}-prod", f"models:/{name}/3", run)
    mlflow.set_registered_model_alias(f"{name}-prod", "champion", made.version)
    return {(f"{name}-prod", int(made.version))}


ALIAS_LOOKS = ("GET registered-models/get", "GET registered-models/search", "GET model-versions/get")
VERSION_LOOKS = ("GET model-versions/search",)
ALIAS_WRITES = ("registered-models/alias",)
WRITES = (*ALIAS_WRITES, "transition-stage")
ONE_MODEL: dict[str, Hand] = {
    "promotes 3": promotes(3),
    "promotes 3, archives": promotes(3, archive=True),
    "puts 1 back": promotes(1, archive=True),
    "moves the alias": moves_the_alias(3),
    "deletes 2": deletes(2),
    "deletes 1": deletes(1),
    "recreates the model": recreates(),
}
GROUP: dict[str, Hand] = {
    **ONE_MODEL,
    "promotes 2 of b": promotes(2, "-b"),
    "puts 1 of b back": promotes(1, "-b", archive=True),
    "moves b's alias": moves_the_alias(2, "-b"),
    "deletes 1 of b": deletes(1, "-b"),
    "recreates b": recreates("-b"),
}
COPY: dict[str, Hand] = {
    "another copy": copies_3,
    "puts 1 back": moves_the_alias(1, "-prod"),
    "deletes 2": deletes(2),
    "deletes 1 of production": deletes(1, "-prod"),
    "recreates production": recreates("-prod", stage=False),
}
HANDS: Mapping[str, Mapping[str, Hand]] = {
    "plain": ONE_MODEL,
    "exclusive": GROUP,
    "copying": COPY,
    "rolling_back": ONE_MODEL,
    "recovering": ONE_MODEL,
}


def changes_by_others(
    bench: Bench, hands: Mapping[str, Hand], only: Callable[[str], bool] = lambda request: True
) -> list[Cell]:
    """All cells of a command during which somebody else changes the models.

    Args:
        bench: The command.
        hands: What is done, by what the table calls it.
        only: Which requests, by their name; all by default.
    """
    cells: list[Cell] = []
    with Zygote(bench.folder / "others") as zygote, CountingProxy(bench.server.url) as proxy:
        points = bench.points(zygote, proxy)
        mlflow = client(bench.server.url)
        for at, (what, hand) in itertools.product(moments(points, only), hands.items()):
            number, after = at
            request = points[number - 1]
            seen = at < (last_look(points, what), True)
            lost = moves_an_alias(what) and not looks_first(points, at, ALIAS_LOOKS, ALIAS_WRITES)
            torn = what.startswith("recreates") and not looks_first(points, at, VERSION_LOOKS, WRITES)
            wrong, ended = _cell(bench, zygote, proxy, mlflow, hand, at, seen=seen, lost=lost, torn=torn)
            kind = f"{what} {'after' if after else 'before'}"
            cells.append(Cell(number, request, kind, "X" if wrong else letter(ended), wrong))
            if wrong:
                print(f"{kind} at {number} {request}: {wrong}", flush=True)
    return cells


def _cell(
    bench: Bench,
    zygote: Zygote,
    proxy: CountingProxy,
    mlflow: MlflowClient,
    hand: Hand,
    at: tuple[int, bool],
    *,
    seen: bool,
    lost: bool,
    torn: bool,
) -> tuple[str, Ended]:
    name, put = bench.fresh(), set[Place]()
    proxy.reset()
    registry = Registry(connect(bench.server.url))

    def look() -> State:
        return state(registry, bench.names(name))

    proxy.inject(acting(hand, mlflow, name, put, look, after=at[1]), nth=at[0], times=1)
    ended = bench.run(zygote, name, proxy.url)
    proxy.reset()
    planned = at < (2, True) or lost or torn  # the plan saw it, or nothing could
    wrong = wrong_with_hand(look(), put, ended, seen=seen, planned=planned, torn=torn)
    second = bench.recover(zygote, name, proxy.url)
    if not wrong and intents(look()):
        wrong = f"an intent is left; {outcome_text(second)}"
    return wrong or wrong_with_hand(look(), put, None, seen=seen, planned=planned, torn=torn), ended


def moments(points: Sequence[str], only: Callable[[str], bool]) -> list[tuple[int, bool]]:
    """Before each request, and after those whose next one is not tried: nothing else happens between the two."""
    tried = [number for number, point in enumerate(points, 1) if only(point)]
    return [
        (number, after) for number in tried for after in (False, True) if not after or number + 1 not in tried
    ]


def moves_an_alias(what: str) -> bool:
    return what.startswith(("moves", "another copy", "puts 1", "recreates"))


def last_look(points: Sequence[str], what: str) -> int:
    """The last request that can show what a hand did: aliases and stages are read one after the other."""
    by_alias = ("moves", "another copy", "puts 1 back", "recreates production")
    reads = "registered-models/get" if what.startswith(by_alias) else "model-versions/search"
    looks = [number for number, point in enumerate(points, 1) if point == f"GET {reads}"]
    return max(looks, default=0)


def looks_first(
    points: Sequence[str], at: tuple[int, bool], looks: Collection[str], writes: tuple[str, ...]
) -> bool:
    """Whether the command looks between the hand and its next write of such a mark.

    MLflow has no write that fails if something has changed since it was read: of two that move an alias at the same
    moment, the last one wins, and a model that was recreated a moment before gets what was meant for the old one.
    """
    for point in points[at[0] - (not at[1]) :]:
        if point in looks:
            return True
        if point.endswith(writes):
            return False
    return True


def wrong_with_hand(
    now: State, put: set[Place], ended: Ended | None, *, seen: bool, planned: bool, torn: bool
) -> str:
    """What is wrong after the command (``ended``), or after the recovery (None); empty if nothing is."""
    found, text = serving(now), ended.stderr if ended else ""
    said = in_its_words(ended) if ended else set()
    done = ended is not None and ended.code == 0 and seen and said
    archived = ended is None or any(
        f"{number} was archived at that moment" in text + outcome_text(ended) for _, number in put
    )
    checks = {
        "a traceback": "Traceback" in text or "this is a bug" in text,
        "nothing is in production": not found and bool(put),
        "two of ours are in production": two(staged(now) - put) and not torn,
        "not told": torn and ended is not None and ended.code == 0 and said != found,
        f"said promoted {said}": done and said != found,
        "what a person put into production is gone": bool(put)
        and not planned
        and not archived
        and not put & found,
    }
    wrong = next((title for title, holds in checks.items() if holds), "")
    detail = {
        model: ({n: s for n, (s, _) in versions.items()}, aliases)
        for model, (versions, aliases, _) in now.items()
    }
    return f"{wrong}: {detail}" + (f"; {outcome_text(ended)}" if ended else "") if wrong else ""


def in_its_words(ended: Ended) -> set[Place]:
    """What a command says is in production; a recovery, whether it finished the promotion of 2 over 1 or undid it."""
    recovered = {
        (each["model"], 2 if each["outcome"] == "finished" else 1) for each in ended.doc.get("recovered", ())
    }
    places = {(place["model"], place["version"]) for place in ended.doc.get("production", ())}
    return places or recovered


def two(ours: set[Place]) -> bool:
    """Whether two are in production that no person put there: two of one model, or the promoted one beside others.

    In an exclusive group whose models each had a champion before, a promotion that did nothing leaves it so.
    """
    models = {model for model, _ in ours}
    promoted = any(number == 2 and not model.endswith(("-b", "-c")) for model, number in ours)
    return len(ours) > len(models) or (promoted and len(ours) > 1)


def acting(
    hand: Hand, mlflow: MlflowClient, name: str, put: set[Place], look: Callable[[], State], *, after: bool
) -> Fault:
    """The hand at a request; what it puts into production that was not there is added to ``put``."""

    def act() -> None:
        before = serving(look())
        with contextlib.suppress(MlflowException):  # what it would delete may be gone by then
            put.update(hand(mlflow, name) - before)

    def fault(request: Request, send: Send) -> Answer:
        if after:
            answer = send()
            act()
            return answer
        act()
        return send()

    return fault
