"""A command that is stopped for longer than its lease, at every request, while another account promotes.

Two accounts of a server with basic-auth: neither can remove the other's flag. Awake again, the sleeper must write
nothing more, whether its flag still is up or not. A request that was on its way when the process stopped, and arrives
after the other's promotion, is what no lock can prevent: then everything has to be told, and the next commands settle
it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dimensions import Bench, is_write, outcome_text
from enumeration import Cell
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.tags import UNWRITTEN_TAG
from production import State, intents, serving, state
from runner import Ended, Zygote
from support.accounts import Accounts, password
from support.proxy import Answer, CountingProxy, Request, Send

LEASE = 3.0  # with less, a busy machine loses leases by itself
_TRIES = 3
SLEEPER, RIVAL = "sleeper", "rival"
RENEWAL = "PATCH registered-models/update"
RAISED = "POST registered-models/create"
LOWERED = "DELETE registered-models/delete"


def login(account: str) -> dict[str, str]:
    return {"MLFLOW_TRACKING_USERNAME": account, "MLFLOW_TRACKING_PASSWORD": password(account)}


ASLEEP = {"MLOPS__PROMOTE__LOCK__LEASE": f"{LEASE:g}s", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30", **login(SLEEPER)}


@dataclass
class Nap:
    """Stops the command at one of its requests, lets the rival promote, and wakes it.

    Attributes:
        point: The number of the request, renewals not counted; 0 for the first renewal.
        on_its_way: Whether the request takes effect only after the rival's promotion.
        promote: Runs the rival's command.
        state: Reads the registry.
        left: What the rival left.
        woken: The requests that were sent after that.
    """

    zygote: Zygote
    point: int
    on_its_way: bool
    promote: Callable[[], Ended]
    state: Callable[[], State]
    count: int = 0
    rival: Ended | None = None
    after_rival: State = field(default_factory=dict)
    woken: list[Request] = field(default_factory=list)
    waking: threading.Thread | None = None

    def fault(self, request: Request, send: Send) -> Answer:
        renews = str(request) == RENEWAL
        if self.after_rival:
            self.woken.append(request)
        self.count += not renews
        due = renews if self.point == 0 else self.count == self.point and not renews
        if self.waking or not due:
            return send()
        answer = None if self.on_its_way else send()
        self.zygote.sleep()
        self.waking = threading.Thread(target=self._meanwhile)
        self.waking.start()
        if answer is None:
            self.waking.join()
            return send()
        return answer  # it lies in the sleeper's buffer until that wakes

    def _meanwhile(self) -> None:
        try:
            time.sleep(LEASE + 0.1)
            self.rival = self.promote()
            self.after_rival = self.state()
        finally:
            self.zygote.wake()


class Sleepers:
    """All cells of one command on one server.

    Args:
        bench: The command, on the accounts' server.
        accounts: That server.
    """

    def __init__(self, bench: Bench, accounts: Accounts) -> None:
        self._bench = bench
        self._accounts = accounts
        self._registry = Registry(connect(accounts.url()))
        for account in (SLEEPER, RIVAL):
            accounts.ensure(account)

    def run(self, only: Callable[[str], bool] = lambda request: True) -> list[Cell]:
        """Count the requests of a clean run, then fall asleep at each."""
        bench = self._bench
        with (
            Zygote(bench.folder / "sleeper") as sleeper,
            Zygote(bench.folder / "rival") as rival,
            CountingProxy(self._accounts.server.url) as proxy,
        ):
            points = self._points(sleeper, proxy)
            return [
                self._asleep(sleeper, rival, proxy, points, point, on_its_way)
                for point, request in [(0, RENEWAL), *enumerate(points, 1)]
                for on_its_way in (False, True)
                if only(request) and (not on_its_way or is_write(request))
            ]

    def _fresh(self) -> str:
        name = self._bench.fresh()
        for model in self._bench.names(name):
            for account in (SLEEPER, RIVAL):
                self._accounts.grant(account, model, "MANAGE")
        return name

    def _points(self, zygote: Zygote, proxy: CountingProxy) -> list[str]:
        name = self._fresh()
        proxy.reset()
        ended = self._command(zygote, name, proxy.url)
        assert ended.code == 0, ended.stderr
        points = [str(request) for request in proxy.requests if str(request) != RENEWAL]
        return points[: points.index(LOWERED) + 1]  # what comes then, history, needs no lock

    def _command(self, zygote: Zygote, name: str, uri: str, *argv: str) -> Ended:
        self._bench.env |= ASLEEP
        return self._bench.run(zygote, name, uri, *argv)

    def _rival(self, zygote: Zygote, name: str, *argv: str) -> Ended:
        settings = {**self._bench.env, **login(RIVAL), "MLOPS__PROMOTE__LOCK__LEASE": "60s"}
        settings = {key: value.replace("NAME", name) for key, value in settings.items()}
        argv = argv or tuple(self._bench.rival(name))
        return zygote.run(*argv, "--tracking-uri", self._accounts.server.url, **settings)

    def _state(self, name: str) -> State:
        return state(self._registry, self._bench.names(name))

    def _asleep(
        self,
        sleeper: Zygote,
        rival: Zygote,
        proxy: CountingProxy,
        points: list[str],
        point: int,
        on_its_way: bool,
    ) -> Cell:
        for _ in range(_TRIES):
            cell = self._cell(sleeper, rival, proxy, points, point, on_its_way)
            if cell.letter != "-":
                break
        return cell

    def _cell(
        self,
        sleeper: Zygote,
        rival: Zygote,
        proxy: CountingProxy,
        points: list[str],
        point: int,
        on_its_way: bool,
    ) -> Cell:
        name, request = self._fresh(), points[point - 1] if point else RENEWAL
        proxy.reset()
        nap = Nap(sleeper, point, on_its_way, lambda: self._rival(rival, name), lambda: self._state(name))
        proxy.inject(nap.fault)
        ended = self._command(sleeper, name, proxy.url)
        proxy.reset()
        kind = "on its way" if on_its_way else "asleep"
        if nap.waking is None:  # the command ended before its first renewal, or had fewer requests this time
            return Cell(point, request, kind, "-")
        nap.waking.join()
        assert nap.rival
        holding = point == 0 or point > points.index(RAISED) + 2  # raised, and seen that nobody is in the way
        seen = point < max(number for number, text in enumerate(points, 1) if text.startswith("GET"))
        wrong = self._written(nap, ended) if holding else ""
        wrong = wrong or (
            self._untold(rival, name, ended, nap.rival)
            if on_its_way
            else self._wrong(name, ended, nap.rival, nap.after_rival, holding=holding, seen=seen)
        )
        recovered = self._command(
            sleeper,
            name,
            self._accounts.server.url,
            "promote",
            "--recover",
            "--models",
            self._bench.group(name),
        )
        wrong = wrong or self._left_over(name, recovered)
        if on_its_way:  # settled by the same command again
            again = self._rival(rival, name)
            wrong = wrong or ("" if again.code == 0 else f"the rival again: {outcome_text(again)}")
        wrong = wrong or self._several(name)
        letter = "d" if ended.code == 0 else "n"
        return Cell(point, request, kind, "X" if wrong else letter, wrong)

    def _written(self, nap: Nap, ended: Ended) -> str:
        """What was sent after the lock was lost; that its flag is taken down does no harm."""
        allowed = (RENEWAL, LOWERED)
        sent = [str(r) for r in nap.woken if is_write(str(r)) and str(r) not in allowed and not is_history(r)]
        if (
            nap.point == 0
        ):  # stopped beside its renewal, it may have been about to send one write: see Not promised
            sent = sent[1:]
        return f"sent after it woke: {sent}; {outcome_text(ended)}" if sent else ""

    def _wrong(
        self, name: str, ended: Ended, rival: Ended, after_rival: State, *, holding: bool, seen: bool
    ) -> str:
        now = self._state(name)
        said = {(place["model"], place["version"]) for place in ended.doc.get("production", ())}
        promoted = ended.code == 0 and ended.doc.get("status") in ("promoted", "rolled_back")
        checks = {
            "a traceback": any(
                "Traceback" in e.stderr or "this is a bug" in e.stderr for e in (ended, rival)
            ),
            f"the rival did not get through: {outcome_text(rival)}": rival.code != 0,
            f"written after it woke: {_differences(after_rival, now)}": holding and now != after_rival,
            "said promoted, and something else is in production": promoted and seen and said != serving(now),
        }
        wrong = next((title for title, holds in checks.items() if holds), "")
        return f"{wrong}; {outcome_text(ended)}" if wrong else self._several(name)

    def _untold(self, rival: Zygote, name: str, ended: Ended, winner: Ended) -> str:
        """What is not told where a request arrived after the rival's promotion."""
        now = self._state(name)
        if "Traceback" in ended.stderr or "this is a bug" in ended.stderr:
            return f"a traceback; {outcome_text(ended)}"
        if winner.code != 0:
            return f"the rival did not get through: {outcome_text(winner)}"
        if not serving(now):
            return f"nothing is in production: {now}"
        looked = self._rival(rival, name, "list", "--models", self._bench.group(name))
        if (len(serving(now)) > 1 or intents(now)) and "warning: " not in looked.stderr:
            return f"not told: {now}"
        return ""

    def _several(self, name: str) -> str:
        now = self._state(name)
        return "" if len(serving(now)) == 1 else f"in production are {serving(now)}: {now}"

    def _left_over(self, name: str, ended: Ended) -> str:
        found = intents(self._state(name))
        return f"an intent is left in {found}: {outcome_text(ended)}" if found else ""


def is_history(request: Request) -> bool:
    """Whether a request writes history, for which no lock is needed: as runs; then their tag is taken off the model."""
    if request.method == "DELETE":
        return UNWRITTEN_TAG.encode() in request.body
    return request.endpoint.startswith(("runs/", "experiments/")) or "mlflow-artifacts/" in request.endpoint


def _differences(before: State, after: State) -> dict[str, Any]:
    return {
        name: (before.get(name), after.get(name)) for name in after if before.get(name) != after.get(name)
    }
