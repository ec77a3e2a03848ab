"""Asks one registry: retries under the retry policy, reads page after page, and translates errors for people."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from jenkins_mlflow.errors import JenkinsMlflowError, RegistryError
from jenkins_mlflow.registry.connection import Connection
from jenkins_mlflow.registry.faults import is_too_large
from jenkins_mlflow.registry.retries import RetryPolicy, call_with_retries
from jenkins_mlflow.registry.translation import translate
from jenkins_mlflow.text import redact

T = TypeVar("T")

_EMPTY_PAGES = 100  # in a row; a server with logins may hide all that a page has


class Asker:
    """Asks over one connection.

    Args:
        connection: The connection to use.
        retry: The retry policy for requests that are safe to repeat.
    """

    def __init__(self, connection: Connection, retry: RetryPolicy | None = None) -> None:
        self.connection = connection
        self._door = connection.door
        self._retry = retry or RetryPolicy()

    @property
    def answer_time(self) -> float:
        """Seconds until a request is answered or times out at the latest; 0 for a store opened directly."""
        return float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) if self.connection.over_http else 0.0

    def retrying(self, what: str, call: Callable[[], T]) -> T:
        """Run a call that is safe to repeat under the retry policy, and translate its last error."""
        try:
            return call_with_retries(call, self._retry)
        except Exception as error:
            raise self.translate(what, error) from error

    def translate(self, what: str, error: Exception) -> JenkinsMlflowError:
        """Turn an error that MLflow's client raised while doing ``what`` into one for people."""
        return translate(what, error, self.connection.uri)

    def pages(self, what: str, search: Callable[..., Any], **arguments: Any) -> Iterator[Any]:
        """Everything that a search finds, page after page, of as many entries as the server's answer can hold.

        MLflow's token is the place where a page begins, so a smaller page may begin there, too (2.22 to 3.17).

        Args:
            what: What is read, for messages.
            search: A search method of the door or of MLflow's client.
            arguments: Its other arguments, which must give a stable order.

        Raises:
            RegistryError: the server names a page as the next one for a second time, or sends only empty pages.
        """
        token, seen, empty = "", {""}, 0
        while True:
            try:
                page = self.retrying(
                    f"reading {what}", functools.partial(search, page_token=token, **arguments)
                )
            except JenkinsMlflowError as error:
                if arguments.get("limit", 1) == 1 or not is_too_large(error):
                    raise
                arguments["limit"] = -(-arguments["limit"] // 4)
                continue
            yield from page
            token, empty = page.token, 0 if page else empty + 1
            if not token:
                return
            if token in seen or empty == _EMPTY_PAGES:
                endless = "repeats a page" if token in seen else "sends one empty page after another"
                raise RegistryError(
                    f"reading {what}: the server {endless}, so its search never ends",
                    next_step=f"look at the log of the MLflow server {redact(self.connection.uri)}",
                )
            seen.add(token)
