"""`jobs run` and `jobs logs --follow`: follow a build from the queue to its end, and show its log.

Ctrl-C ends the watching, and aborts the build only if the person says so; SIGTERM never touches the build.
"""

from __future__ import annotations

import codecs
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from jenkins_mlflow.errors import ConnectionFailed, Interrupted, JenkinsError
from jenkins_mlflow.jenkins_jobs.answers import Build, QueueItem
from jenkins_mlflow.jenkins_jobs.log import Lines
from jenkins_mlflow.jenkins_jobs.server import pause
from jenkins_mlflow.terminal import Terminal
from jenkins_mlflow.text import arguments, one_line, printable

T = TypeVar("T")


class Builds(Protocol):
    """The part of Jenkins that runs builds."""

    def page(self, name: str, number: int | str = "") -> str: ...
    def build(self, name: str, number: int | str) -> Build: ...
    def queue_item(self, number: int) -> QueueItem: ...
    def cancel(self, number: int) -> None: ...
    def stop(self, name: str, number: int) -> None: ...
    def log(self, name: str, number: int | str, start: int) -> tuple[bytes, int, bool]: ...


class OutOfTime(Exception):
    """The time limit is over."""


@dataclass
class Follower:
    """Watches one build of one job.

    Args:
        server: Jenkins.
        job: The job's full name.
        terminal: For messages and questions.
        write: Receives each line of the log.
        timeout: The longest time to watch, in seconds; None for no limit.
        interval: Seconds between two requests.
    """

    server: Builds
    job: str
    terminal: Terminal
    write: Callable[[str], None]
    timeout: float | None = None
    interval: float = 1.0
    sleep: Callable[[float], None] = pause
    clock: Callable[[], float] = time.monotonic
    _started: float = field(init=False)
    _abort_asked: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def out_of_queue(self, item: int) -> int | None:
        """Wait until the queue item is a build; return its number, or None if the item was cancelled.

        Raises:
            OutOfTime: The time limit is over.
            Interrupted: The person left.
        """
        said = ""

        def look() -> tuple[int | None] | None:
            nonlocal said
            state = self.server.queue_item(item)
            if state.get("cancelled"):
                return (None,)
            if executable := state.get("executable"):
                return (executable["number"],)
            why = one_line(state.get("why") or "")
            if why and _without_numbers(why) != _without_numbers(said):
                self.terminal.say(f"in the queue: {why}")
                said = why
            return None

        what, where = f"queue item {item} of {self.job}", self.server.page(self.job)
        return self._until(look, what, where, lambda: self.server.cancel(item))[0]

    def to_the_end(self, number: int) -> Build:
        """Write the log as it grows until the build has a result; return the build.

        Raises:
            OutOfTime: The time limit is over.
            Interrupted: The person left.
        """
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        position, lines = 0, Lines()

        def look() -> Build | None:
            nonlocal position
            chunk, position, more = self.server.log(self.job, number, position)
            for line in lines.feed(decode(chunk)):
                self.write(line)
            if more:
                return None
            build = self.server.build(self.job, number)
            if build.get("building") or not build.get("result"):
                return None
            for line in lines.rest():
                self.write(line)
            return build

        what, where = f"{self.job} {number}", self.server.page(self.job, number)
        return self._until(look, what, where, lambda: self.server.stop(self.job, number), number)

    def _until(
        self,
        look: Callable[[], T | None],
        what: str,
        where: str,
        abort: Callable[[], None],
        number: int | None = None,
    ) -> T:
        """Poll until there is a result. A queue item to be cancelled may be a build by now."""
        to_abort = self._abort_asked
        while True:
            try:
                if to_abort:
                    abort()
                    self.terminal.say(f"asked Jenkins to abort {printable(what)}; waiting for its end")
                    to_abort = False
                if (found := look()) is not None:
                    return found
                if self.timeout is not None and self.clock() - self._started > self.timeout:
                    raise OutOfTime
                self.sleep(self.interval)
            except Interrupted as interruption:
                to_abort = self._interrupted(interruption, what, where, number)
                self._abort_asked |= to_abort
            except (JenkinsError, ConnectionFailed) as error:
                error.state = f"{printable(what)} may continue in Jenkins; it is no longer watched: {where}"
                raise

    def _interrupted(self, interruption: Interrupted, what: str, where: str, number: int | None) -> bool:
        """Ask what to do with the build; return only to continue watching.

        Returns:
            Whether to abort it.
        """
        answer = ""
        if interruption.exit_code == 128 + signal.SIGINT and self.terminal.interactive:
            try:
                answer = self.terminal.ask(
                    f"\n{printable(what)} continues. [a]bort it, [d]etach, [c]ontinue watching"
                )
            except Interrupted:
                answer = "d"
        if answer.startswith(("a", "c")):
            return answer.startswith("a")
        follow = (
            f"`jenkins-mlflow jobs logs --follow {arguments(self.job, str(number))}`"
            if number
            else f"look at {where}"
        )
        interruption.state = f"{printable(what)} continues in Jenkins: {where}"
        interruption.next_step = follow
        raise interruption


def _without_numbers(text: str) -> str:
    """`In the quiet period. Expires in 4.2 sec` counts down, which is no news."""
    return re.sub(r"[\d.,]+", "", text)
