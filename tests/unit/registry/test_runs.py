"""Reading runs by their ids: few requests, two at a time, smaller ones where the server refuses large ones."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

import pytest
import requests
from jenkins_mlflow.errors import ConnectionFailed, RegistryError
from jenkins_mlflow.registry.runs import by_ids
from jenkins_mlflow.registry.version import Run


class Server:
    """Answers requests for at most so many runs."""

    def __init__(self, most: int = 4500) -> None:
        self.most = most
        self.asked: list[int] = []

    def __call__(self, ids: Sequence[str]) -> list[Run]:
        self.asked.append(len(ids))
        if len(ids) > self.most:
            response = requests.Response()
            response.status_code, response.raw = 400, io.BytesIO(b"{}")
            raise RegistryError("too many") from requests.HTTPError("too many", response=response)
        return [Run(run_id) for run_id in ids]

    def read(self, count: int) -> list[str]:
        return [run.run_id for run in by_ids([f"{number:06}" for number in range(count)], self)]


@pytest.mark.parametrize(
    ("count", "asked"),
    [
        (0, []),
        (1, [1]),
        (200, [200]),
        (201, [1, 200]),
        (400, [200, 200]),
        (3001, [1500, 1501]),
        (10_000, [1000, 2250, 2250, 2250, 2250]),
    ],
)
def test_every_run_once_and_in_order(count: int, asked: list[int]) -> None:
    server = Server()
    assert server.read(count) == [f"{number:06}" for number in range(count)]
    assert sorted(server.asked) == asked


def test_a_server_that_takes_fewer_gets_fewer() -> None:
    server = Server(most=700)
    assert server.read(5000) == [f"{number:06}" for number in range(5000)]
    refused = [count for count in server.asked if count > 700]
    assert set(refused) == {2250, 1125}
    assert len(refused) <= 4, "halved until it is taken, and no larger one after that"


def test_one_that_takes_none_fails() -> None:
    with pytest.raises(RegistryError, match="too many"):
        Server(most=0).read(3)


def test_what_smaller_requests_would_not_mend_fails_at_once() -> None:
    asked: list[int] = []

    def read(ids: Sequence[str]) -> list[Run]:
        asked.append(len(ids))
        raise ConnectionFailed("no answer")

    with pytest.raises(ConnectionFailed):
        list(by_ids(["a"] * 100, read))
    assert asked == [100]


def test_two_requests_are_under_way_at_once() -> None:
    """Each waits here for the other, which one after the other would never come."""
    together = threading.Barrier(2, timeout=10)

    def read(ids: Sequence[str]) -> list[Run]:
        together.wait()
        return [Run(run_id) for run_id in ids]

    assert len(list(by_ids([str(number) for number in range(400)], read))) == 400
