"""The connection to Jenkins with python-jenkins: answers as plain values, errors as the package's own.

Reads, and writes that may be repeated, are retried after transient faults. Starting a build is not: it would
start two.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

import requests
from pydantic import TypeAdapter

from jenkins_mlflow.errors import ConnectionFailed, JenkinsError, JobNotFound, UsageError
from jenkins_mlflow.jenkins_jobs.access import Access
from jenkins_mlflow.jenkins_jobs.answers import Build, Job, Outcome, QueueItem
from jenkins_mlflow.jenkins_jobs.failures import MISSHAPEN, SAVE_ANEW, explained, response_of
from jenkins_mlflow.registry.retries import RetryPolicy, call_with_retries
from jenkins_mlflow.text import printable

T = TypeVar("T")

SECONDS = 30.0  # timeout of a request
RETRIES = RetryPolicy(attempts=5, max_wait=10.0, deadline=60.0)
_ONCE = RetryPolicy(attempts=1)
BUILD_TREE = "number,url,result,building,timestamp,duration,description,artifacts[relativePath]"


def pause(seconds: float) -> None:
    """``time.sleep``, looked up at each call so that tests can replace it."""
    time.sleep(seconds)


class Server:
    """One Jenkins. ``name`` is always a job's or folder's full name, such as ``mlops/nightly``.

    Args:
        access: Jenkins' address and the account.
        policy: How often and how long a repeatable request is tried.
        sleep: Replaced in tests.

    Raises:
        UsageError: python-jenkins is not installed.
    """

    def __init__(
        self, access: Access, policy: RetryPolicy = RETRIES, sleep: Callable[[float], None] = pause
    ) -> None:
        try:
            from jenkins import JenkinsException

            from jenkins_mlflow.jenkins_jobs.client import Client
        except ModuleNotFoundError as error:
            raise UsageError(
                f"{error.name} is not installed: `jenkins-mlflow jobs` needs python-jenkins",
                next_step="pip install python-jenkins",
            ) from error
        self.url = access.url
        self._access = access
        self._library_error = JenkinsException
        self._client = Client(access, SECONDS)
        self._policy = policy
        self._sleep = sleep
        self._archive_lost: ConnectionFailed | None = None

    def page(self, name: str, number: int | str = "") -> str:
        """The address of a job's or a build's page."""
        path = "".join(f"/job/{quote(part, safe='')}" for part in name.split("/"))
        return f"{self.url}{path}/{number}/" if number != "" else f"{self.url}{path}/"

    def kind(self, name: str) -> str | None:
        """The Java class of a job or folder; None if it does not exist, or this user may not see it."""
        try:
            return str(self.job(name, "name").get("_class"))
        except JobNotFound:
            return None

    def config(self, name: str) -> str | None:
        """The stored XML of a job or folder; None if it does not exist, or this user may not see it.

        Jenkins sends UTF-8 without declaring it, and python-jenkins' ``get_job_config`` would guess the
        encoding.
        """
        request = self._request("GET", f"{self.page(name)}config.xml")
        try:
            stored: bytes = self._ask(f"read {name}", lambda: self._client.jenkins_request(request)).content
        except JobNotFound:
            return None
        try:
            return stored.decode("utf-8")
        except UnicodeDecodeError as error:
            raise JenkinsError(
                f"cannot read {printable(name)}: its config.xml is not UTF-8", next_step=SAVE_ANEW
            ) from error

    def create(self, name: str, xml: str) -> None:
        """Create a job or folder. A retry checks first whether the previous attempt has created it."""
        tries = itertools.count()

        def attempt() -> None:
            if next(tries) == 0 or self._client.get_job_name(name) is None:
                self._client.create_job(name, xml)

        self._ask(f"create {name}", attempt)

    def change(self, name: str, xml: str) -> None:
        """Replace a job's configuration."""
        self._ask(f"change {name}", lambda: self._client.reconfig_job(name, xml))

    def job(self, name: str, tree: str) -> Job:
        """Some fields of a job, by Jenkins' own ``tree`` syntax."""
        return self._json(f"read {name}", f"{self.page(name)}api/json?tree={tree}", Job)

    def build(self, name: str, number: int | str) -> Build:
        """A build; ``number`` may be ``lastBuild``."""
        address = f"{self.page(name, number)}api/json?tree={BUILD_TREE}"
        return self._json(f"read {name} {number}", address, Build)

    def start(self, name: str, parameters: Mapping[str, str] | None) -> int:
        """Queue a build; return the number of the queue item.

        Args:
            parameters: None for a job without parameters. They are sent in the request's body, because
                addresses are logged.
        """
        address = self.page(name) + ("build" if parameters is None else "buildWithParameters")
        request = self._request("POST", address, parameters)
        response = self._ask(f"start {name}", lambda: self._client.jenkins_request(request), policy=_ONCE)
        item = re.search(r"/queue/item/(\d{1,18})/?$", response.headers.get("Location", ""))
        if item is None:
            raise JenkinsError(
                f"Jenkins did not say which queue item {name} became",
                state="it is not known whether a build was queued",
                next_step=f"look at {self.page(name)}; if {self.url} redirects to another address, set that one",
            )
        return int(item[1])

    def queue_item(self, number: int) -> QueueItem:
        """An item of the queue; available for some minutes after it has left the queue."""
        return self._json(f"read queue item {number}", f"{self.url}/queue/item/{number}/api/json", QueueItem)

    def cancel(self, number: int) -> None:
        """Remove an item from the queue."""
        request = self._request("POST", f"{self.url}/queue/cancelItem?id={number}")
        try:
            self._ask(f"cancel queue item {number}", lambda: self._client.jenkins_request(request))
        except JobNotFound:  # it has left the queue; older versions of Jenkins answer this even on success
            return

    def stop(self, name: str, number: int) -> None:
        """Abort a build; doing so twice is harmless."""
        self._ask(f"stop {name} {number}", lambda: self._client.stop_build(name, number))

    def log(self, name: str, number: int | str, start: int) -> tuple[bytes, int, bool]:
        """A build's log from an offset: the new part, the next offset, and whether more will follow."""
        request = self._request("GET", f"{self.page(name, number)}logText/progressiveText?start={start}")

        def read() -> tuple[bytes, int, bool]:
            response = self._client.jenkins_request(request)
            size = response.headers.get("X-Text-Size", str(start + len(response.content)))
            if not re.fullmatch(r"[0-9]{1,18}", size):
                raise ValueError(size)
            return response.content, int(size), response.headers.get("X-More-Data") == "true"

        return self._ask(f"read the log of {name} {number}", read)

    def outcome(self, name: str, number: int, path: str) -> Outcome | None:
        """A step's archived result; None if it is gone, or is not a result.

        Raises:
            ConnectionFailed: The server of archived files, which may not be Jenkins itself, cannot be
                reached; it is not asked again.
        """
        address = f"{self.page(name, number)}artifact/{quote(path)}"
        if self._archive_lost:
            raise self._archive_lost
        try:
            return self._json("read archived files", address, Outcome)
        except JenkinsError:
            return None
        except ConnectionFailed as error:
            self._archive_lost = error
            raise

    def _request(self, method: str, address: str, form: Mapping[str, str] | None = None) -> requests.Request:
        return requests.Request(method, address, data=dict(form or {}))

    def _json(self, what: str, address: str, shape: type[T]) -> T:
        request = self._request("GET", address)

        reader = TypeAdapter(shape)

        def read() -> T:
            # Bytes, because an archived file comes without its charset.
            return reader.validate_json(self._client.jenkins_request(request).content, strict=True)

        return self._ask(what, read)

    def _ask(self, what: str, call: Callable[[], T], policy: RetryPolicy | None = None) -> T:
        """Make a request; turn every expected failure into one of the package's errors."""

        def attempt() -> T:
            try:
                return call()
            except self._library_error as error:
                response = response_of(error)
                if response is None or response.status_code != 403 or "crumb" not in response.text:
                    raise
            self._client.crumb = None  # it belonged to an expired session
            return call()

        try:
            return call_with_retries(attempt, policy or self._policy, sleep=self._sleep)
        except (self._library_error, requests.RequestException, *MISSHAPEN) as error:
            raise explained(what, error, self._access, sent_once=policy is _ONCE) from error
