"""Notifies people, by a command of the team or by Apprise. A failure never fails the work itself."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, MutableMapping

from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.deadline import run_bounded
from jenkins_mlflow.errors import ConnectionFailed
from jenkins_mlflow.extras import NOTIFY, require
from jenkins_mlflow.results.base import Event, RegistryResult
from jenkins_mlflow.text import plural, printable, redact

URLS = "JENKINS_MLFLOW_NOTIFY_URLS"
LOG = "notify.log"
TRIES = 3
LONGEST = 2000
"""The longest message, in characters, for an environment variable and a chat."""
_CUT = "… (the result has all of it)"
TELLING = frozenset({"select", "promote", "rollback", "cleanup", "doctor"})
"""The commands whose results can be news. A list, because to load every result would take 40 ms."""


def take_urls(environ: MutableMapping[str, str]) -> tuple[str, ...]:
    """Take Apprise's addresses out of the environment, so that no program started later gets them."""
    return tuple(environ.pop(URLS, "").split())


def news(session: Session, result: RegistryResult) -> Event | None:
    """The event that people want to be notified of; None if there is none."""
    event = result.news
    if event == "cleanup_stopped" and session.looks_only:
        return None
    return event if event in session.config.notify.on else None


def notify(session: Session, result: RegistryResult, sleep: Callable[[float], None] = time.sleep) -> None:
    """Notify people of a result, if they want that. A failure is only a warning.

    Args:
        session: Configuration, report folder, warnings.
        result: The command's result.
        sleep: Replaced in tests.
    """
    rules, event = session.config.notify, news(session, result)
    if not event:
        return
    text = printable(redact(result.message))
    text = text if len(text) <= LONGEST else text[: LONGEST - len(_CUT)] + _CUT
    build = f"\n{session.build.url}" if session.build.url else ""
    ways: list[tuple[str, Callable[[], str]]] = []
    if rules.command:
        environ = {**os.environ, "JENKINS_MLFLOW_EVENT": event, "JENKINS_MLFLOW_MESSAGE": text}
        argv, log = rules.command, session.report / LOG
        ways.append(("notify.command", lambda: run_bounded(argv, environ, log, rules.timeout).failure))
    what = event.replace("_", " ")
    if urls := session.notify_urls:
        try:
            require(NOTIFY)
        except ConnectionFailed as error:
            session.warn(
                f"the notification of '{what}' by {URLS} failed: {error.message}; next: {error.next_step}"
            )
        else:
            ways.append((URLS, lambda: _apprise(urls, f"jenkins-mlflow: {what}", text + build)))
    for name, tell in ways:
        if why := _tried(tell, sleep):
            session.warn(f"the notification of '{what}' by {name} failed: {why}")


def _tried(tell: Callable[[], str], sleep: Callable[[float], None]) -> str:
    """Why every attempt failed; empty if one succeeded."""
    why = ""
    for trial in range(TRIES):
        if trial:
            sleep(2.0**trial)
        try:
            why = tell()
        except Exception as error:  # noqa: BLE001  no notification may fail the work
            why = type(error).__name__
        if not why:
            return ""
    return f"{why} ({plural(TRIES, 'try', 'tries')})"


def _apprise(urls: tuple[str, ...], title: str, text: str) -> str:
    """Send it by Apprise; return why that failed, without the addresses, which are secrets."""
    with warnings.catch_warnings():  # of the library itself
        warnings.simplefilter("ignore")
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs addresses
        messenger = apprise.Apprise()
        unknown = [at for at, url in enumerate(urls, 1) if not messenger.add(url)]
        if unknown:
            return f"address {unknown[0]} of {len(urls)} is not one that Apprise knows"
        sent = messenger.notify(body=text, title=title)
    return "" if sent else "a service did not accept the message"
