"""All expected errors, and the exit codes that tell a pipeline what to do next.

    JenkinsMlflowError          1   something failed
    ├── UsageError              2   the command line asks for something impossible
    │   └── ConfigError         2   the config file, its environment variables or options are wrong
    ├── ConnectionFailed        1   the MLflow server or store, or Jenkins, cannot be reached
    ├── RegistryError           1   MLflow answered with an error
    │   └── NotFound            1   the model, version or alias does not exist
    ├── JenkinsError            1   Jenkins answered with an error
    │   └── JobNotFound         1   the job or build does not exist
    └── Refused                 1   the action would be unsafe, so nothing was written
        └── Busy                5   another command holds the lock
    Interrupted           130/143   Ctrl-C or SIGTERM stopped the work

Four outcomes have their own codes: NO_CANDIDATE (no candidate passes the gates or the smoke test), BY_HAND (a
person must continue, because every promotion method or a check failed), PARTLY (an error stopped a cleanup
after its first deletion) and DRIFT (production was changed without this tool, and nothing else is wrong).
"""

from __future__ import annotations

from collections.abc import Iterator

DONE = 0
FAILED = 1
USAGE = 2
NO_CANDIDATE = 3
BY_HAND = 4
BUSY = 5
PARTLY = 6
DRIFT = 7

# What an exit code means for a Jenkins build; every other code fails it.
_BUILD_RESULTS = {DONE: "SUCCESS", NO_CANDIDATE: "UNSTABLE", BY_HAND: "UNSTABLE", DRIFT: "UNSTABLE"}


def build_result(exit_code: int) -> str:
    """The result that a Jenkins build has after a command with this exit code.

    >>> [build_result(code) for code in (DONE, BY_HAND, BUSY, PARTLY)]
    ['SUCCESS', 'UNSTABLE', 'FAILURE', 'FAILURE']
    """
    return _BUILD_RESULTS.get(exit_code, "FAILURE")


class _Reported(BaseException):
    """The reason why the work stopped, as reported to a person.

    Args:
        message: What happened, to which model and version.
        state: The current state.
        next_step: What the person can do next.
    """

    exit_code = FAILED

    def __init__(self, message: str, *, state: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.state = state
        self.next_step = next_step


class JenkinsMlflowError(_Reported, Exception):
    """Base of all expected failures: shown as text, never with a traceback."""


class UsageError(JenkinsMlflowError):
    """The command line asks for something that cannot be done; nothing was read or written."""

    exit_code = USAGE


class NothingRegistered(UsageError):
    """No registered model is in the group: its name is mistyped, or nothing has been trained yet."""


class ConfigError(UsageError):
    """The configuration is wrong; the message has one line for each problem."""


class ConnectionFailed(JenkinsMlflowError):
    """The MLflow server or store, or Jenkins, cannot be reached, or stopped answering."""


class RegistryError(JenkinsMlflowError):
    """MLflow answered a request with an error that a retry would only repeat."""


class NotFound(RegistryError):
    """The registered model, version or alias does not exist."""


class JenkinsError(JenkinsMlflowError):
    """Jenkins answered a request with an error that a retry would only repeat."""


class JobNotFound(JenkinsError):
    """The Jenkins job, build or queue item does not exist."""


class Refused(JenkinsMlflowError):
    """The action would be unsafe or makes no sense in the registry's current state; nothing was written."""


class Busy(Refused):
    """Another process holds the lock; nothing was written."""

    exit_code = BUSY


class LockLost(JenkinsMlflowError):
    """The lock went to another process while this one was working; it must not write any more."""


class Interrupted(_Reported):
    """Ctrl-C (130) or SIGTERM (143, a Jenkins abort) arrived while working.

    It is not an ``Exception``, so that code which handles failures, such as a retry, does not catch it. It is
    not a ``KeyboardInterrupt`` either, because click would turn that into another error.
    """

    def __init__(self, message: str, *, signal_number: int, state: str = "", next_step: str = "") -> None:
        super().__init__(message, state=state, next_step=next_step)
        self.exit_code = 128 + signal_number


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it. MLflow and python-jenkins hide the cause of an HTTP failure in ``__context__``."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
