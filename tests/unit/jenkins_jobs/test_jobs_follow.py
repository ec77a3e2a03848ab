"""Ctrl-C and SIGTERM while a build is watched: who ends what."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from jenkins_mlflow.errors import Interrupted, JenkinsError
from jenkins_mlflow.jenkins_jobs.answers import Build, QueueItem
from jenkins_mlflow.jenkins_jobs.follow import Follower
from jenkins_mlflow.terminal import Terminal


class Builds:
    """One build that ends after a few looks, or when it is stopped."""

    def __init__(self, looks: int = 3) -> None:
        self.looks = looks
        self.done: list[str] = []

    def page(self, name: str, number: int | str = "") -> str:
        return f"http://jenkins/{name}/{number}"

    def _ended(self) -> bool:
        self.looks -= 1
        return self.looks < 0 or bool(self.done)

    def build(self, name: str, number: int | str) -> Build:
        return {
            "number": int(number),
            "timestamp": 0,
            "building": False,
            "result": "ABORTED" if self.done else "SUCCESS",
            "duration": 1,
        }

    def queue_item(self, number: int) -> QueueItem:
        ended = self._ended()
        return {
            "why": "Waiting",
            "cancelled": bool(self.done),
            "executable": {"number": 7} if ended else None,
        }

    def cancel(self, number: int) -> None:
        self.done.append(f"cancel {number}")

    def stop(self, name: str, number: int) -> None:
        self.done.append(f"stop {name} {number}")

    def log(self, name: str, number: int | str, start: int) -> tuple[bytes, int, bool]:
        return b"", start, not self._ended()


def interrupted(builds: Builds, *answers: str, number: int = signal.SIGINT, at: int = 1) -> Follower:
    """A follower whose first wait a signal ends; a person answers if there are answers."""
    waits = 0

    def sleep(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits <= at:
            raise Interrupted(f"interrupted by {signal.Signals(number).name}", signal_number=number)

    remaining = list(answers)

    class Person(Terminal):
        @property
        def interactive(self) -> bool:
            return bool(answers)

        def ask(self, question: str) -> str:
            answer = remaining.pop(0)
            if answer == "^C":
                raise Interrupted("interrupted by SIGINT", signal_number=signal.SIGINT)
            return answer

    return Follower(builds, "j", Person(), print, sleep=sleep)


Watch = Callable[[Follower], object]
WATCHES: list[Any] = [
    pytest.param(lambda follower: follower.out_of_queue(41), id="in the queue"),
    pytest.param(lambda follower: follower.to_the_end(7), id="in the build"),
]


@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize("answer", ["d", "detach", "", "x", "^C"])
def test_ctrl_c_leaves_the_build_unless_the_person_says_abort(watch: Watch, answer: str) -> None:
    """An empty answer, a slip or a second Ctrl-C is no abort."""
    builds = Builds()
    with pytest.raises(Interrupted) as caught:
        watch(interrupted(builds, answer))
    assert caught.value.exit_code == 130
    assert "continues in Jenkins: http://jenkins/j/" in caught.value.state
    assert builds.done == []


@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_a_signal_leaves_the_build(watch: Watch, number: int) -> None:
    builds = Builds()
    with pytest.raises(Interrupted) as caught:
        watch(interrupted(builds, number=number))
    assert caught.value.exit_code == 128 + number
    assert "continues in Jenkins" in caught.value.state
    assert builds.done == []


@pytest.mark.parametrize("watch", WATCHES)
def test_sigterm_leaves_the_build_even_with_a_person_there(watch: Watch) -> None:
    """What sends it does not answer questions."""
    builds = Builds()
    with pytest.raises(Interrupted):
        watch(interrupted(builds, "a", number=signal.SIGTERM))
    assert builds.done == []


@pytest.mark.parametrize("watch", WATCHES)
def test_continue_goes_on_watching(watch: Watch) -> None:
    builds = Builds()
    assert watch(interrupted(builds, "c", "c", at=2)) in (7, builds.build("j", 7))
    assert builds.done == []


def test_abort_stops_the_build_and_waits_for_its_end() -> None:
    builds = Builds(looks=99)
    assert interrupted(builds, "a").to_the_end(7)["result"] == "ABORTED"
    assert builds.done == ["stop j 7"]


def test_abort_in_the_queue_cancels_the_item() -> None:
    builds = Builds(looks=99)
    assert interrupted(builds, "abort").out_of_queue(41) is None
    assert builds.done == ["cancel 41"]


class LeavesTheQueue(Builds):
    """The item becomes a build before it can be cancelled, which `Server.cancel` cannot tell from success."""

    def cancel(self, number: int) -> None:
        self.looks = 0


def test_abort_in_the_queue_stops_the_build_that_the_item_became() -> None:
    builds = LeavesTheQueue(looks=99)
    follower = interrupted(builds, "a")
    assert follower.out_of_queue(41) == 7
    assert follower.to_the_end(7)["result"] == "ABORTED"
    assert builds.done == ["stop j 7"]


class MayNotBeAborted(Builds):
    def cancel(self, number: int) -> None:
        raise JenkinsError("cannot cancel queue item 41: Jenkins does not allow it to dana (HTTP 403)")

    def stop(self, name: str, number: int) -> None:
        raise JenkinsError("cannot stop j 7: Jenkins does not allow it to dana (HTTP 403)")


@pytest.mark.parametrize("watch", WATCHES)
def test_an_abort_that_fails_says_that_the_build_goes_on(watch: Watch) -> None:
    """A person may start builds without the permission to cancel them."""
    with pytest.raises(JenkinsError) as caught:
        watch(interrupted(MayNotBeAborted(looks=99), "a"))
    assert "may continue in Jenkins; it is no longer watched: http://jenkins/j/" in caught.value.state


class Slow(Builds):
    """Ctrl-C arrives again while Jenkins is told to stop the build."""

    def stop(self, name: str, number: int) -> None:
        super().stop(name, number)
        if len(self.done) == 1:
            raise Interrupted("interrupted by SIGINT", signal_number=signal.SIGINT)


@pytest.mark.parametrize(("answers", "stops"), [(("a", "a"), 2), (("a", "c"), 1)])
def test_ctrl_c_during_an_abort_asks_again(answers: tuple[str, str], stops: int) -> None:
    builds = Slow(looks=99)
    assert interrupted(builds, *answers).to_the_end(7)["result"] == "ABORTED"
    assert builds.done == ["stop j 7"] * stops


def test_what_to_do_after_leaving_is_a_command() -> None:
    with pytest.raises(Interrupted) as caught:
        interrupted(Builds(), "d").to_the_end(7)
    assert caught.value.next_step == "`jenkins-mlflow jobs logs --follow j 7`"
