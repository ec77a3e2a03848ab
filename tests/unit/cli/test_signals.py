"""A command that is called as a function leaves the signals of its process as they were."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest
from jenkins_mlflow.cli import main
from jenkins_mlflow.errors import Interrupted


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def mine(request: pytest.FixtureRequest) -> Iterator[tuple[int, object]]:
    """A stopping signal with the caller's own handler."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("nobody sends it")

    before = signal.signal(request.param, handler)
    yield request.param, handler
    signal.signal(request.param, before)


@pytest.mark.parametrize("arguments", [["--help"], ["promote", "--frob"], ["schema"]])
def test_a_command_gives_the_signals_back(mine: tuple[int, object], arguments: list[str]) -> None:
    number, handler = mine
    main.run(arguments)
    assert signal.getsignal(number) is handler


def test_a_stopped_command_gives_the_signals_back(
    mine: tuple[int, object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own handler stops it while it runs."""
    number, handler = mine
    seen: list[type[BaseException]] = []

    def stopped(*_: object) -> None:
        try:
            signal.raise_signal(number)
        except Interrupted as stop:
            seen.append(type(stop))
            raise

    monkeypatch.setattr("jenkins_mlflow.cli.main.click.echo", stopped)
    assert main.run(["schema"]) == 128 + number
    assert seen == [Interrupted]
    assert signal.getsignal(number) is handler
    assert f"interrupted by {signal.Signals(number).name}" in capsys.readouterr().err
