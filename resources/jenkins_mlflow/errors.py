"""Every error a person can meet, and the exit code that tells a pipeline what to do next.

    JenkinsMlflowError          1   something failed
    ├── UsageError              2   the command line asks for something impossible
    │   └── ConfigError         2   the config file, its environment overrides or flags are wrong
    ├── ConnectionFailed        1   the MLflow server or store, or Jenkins, cannot be reached
    ├── RegistryError           1   MLflow answered with an error
    │   └── NotFound            1   the model, version or alias does not exist
    ├── JenkinsError            1   Jenkins answered with an error
    │   └── JobNotFound         1   the job or build does not exist
    └── Refused                 1   the action would be unsafe, so nothing was written
    Interrupted           130/143   Ctrl-C or SIGTERM stopped the work

Two outcomes are no errors and have codes of their own: NO_CANDIDATE (no candidate passes the gates) and
BY_HAND (every promotion method failed, a person must promote).
"""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 2
NO_CANDIDATE = 3
BY_HAND = 4

# What an exit code means for a Jenkins build; every other code fails it.
_BUILD_RESULTS = {DONE: "SUCCESS", NO_CANDIDATE: "UNSTABLE", BY_HAND: "UNSTABLE"}


def build_result(exit_code: int) -> str:
    """The result that a Jenkins build has after a command with this exit code.

    >>> build_result(NO_CANDIDATE), build_result(FAILED)
    ('UNSTABLE', 'FAILURE')
    """
    return _BUILD_RESULTS.get(exit_code, "FAILURE")


class _Told(BaseException):
    """What a person is told, whatever stopped the work.

    Args:
        message: What happened, naming the model and version it happened to.
        state: What state things are in now.
        next_step: What the person can do next.
    """

    exit_code = FAILED

    def __init__(self, message: str, *, state: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.state = state
        self.next_step = next_step


class JenkinsMlflowError(_Told, Exception):
    """Base of all expected failures: shown as text, never with a traceback."""


class UsageError(JenkinsMlflowError):
    """The command line asks for something that cannot be done; nothing was read or written."""

    exit_code = USAGE


class ConfigError(UsageError):
    """The configuration is wrong; the message has one line for each problem."""


class ConnectionFailed(JenkinsMlflowError):
    """The MLflow server or store, or Jenkins, cannot be reached, or stopped answering."""


class RegistryError(JenkinsMlflowError):
    """MLflow answered a request with an error that a repetition does not cure."""


class NotFound(RegistryError):
    """The registered model, version or alias does not exist."""


class JenkinsError(JenkinsMlflowError):
    """Jenkins answered a request with an error that a repetition does not cure."""


class JobNotFound(JenkinsError):
    """The Jenkins job, build or queue item does not exist."""


class Refused(JenkinsMlflowError):
    """The action would be unsafe or makes no sense in the registry's present state; nothing was written."""


class Busy(Refused):
    """Another process holds the lock; nothing was written."""


class LockLost(JenkinsMlflowError):
    """The lock went to another process while this one worked; it must not write any more."""


class Interrupted(_Told):
    """Ctrl-C (130) or SIGTERM (143, a Jenkins abort) arrived while working.

    No ``Exception``, so that nothing which handles failures, retries among them, can take it for one; and no
    ``KeyboardInterrupt``, which click would turn into an error of its own.
    """

    def __init__(self, message: str, *, signal_number: int, state: str = "", next_step: str = "") -> None:
        super().__init__(message, state=state, next_step=next_step)
        self.exit_code = 128 + signal_number


def error_document(error: JenkinsMlflowError | Interrupted) -> dict[str, str]:
    """An expected failure as the document's ``error`` part."""
    return {
        "type": type(error).__name__,
        "message": error.message,
        "state": error.state,
        "next_step": error.next_step,
    }
