"""A Jenkins that is not ours: items, builds and logs over its REST API, with patience and with good error messages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urljoin
from xml.etree.ElementTree import Element, tostring

import requests

POLL = 1.0
REQUEST_SECONDS = 60
DELETE_SECONDS = 300  # a folder with all builds of a session, on a busy machine
RELOAD_SECONDS = 180
QUEUE_SECONDS = 300
BUILD_SECONDS = 900
TAIL = 60
FRAME = re.compile(r"\s+at (?!WorkflowScript|jenkinsmlflow|mlflow)\S")
LOADING = {502, 503}
# what a log says of a library that the sandbox or the CPS interpreter does not let work
SANDBOX = (
    "RejectedAccessException",
    "Scripts not permitted",
    "NotSerializableException",
    "but wound up catching",
)
Found = TypeVar("Found")


class JenkinsError(AssertionError):
    """Jenkins did not do what a test needs; the message has what it said instead."""


@dataclass(frozen=True)
class Build:
    """One build: where it is, and what it is or was."""

    server: JenkinsServer = field(repr=False)
    url: str
    job: str
    number: int

    def info(self, tree: str = "building,result") -> dict[str, Any]:
        """What the API says of it now."""
        answer: dict[str, Any] = self.server.json(self.url, tree)
        return answer

    @property
    def path(self) -> str:
        """Its address below Jenkins' root."""
        return f"{item_path(self.job)}{self.number}/"

    @property
    def console(self) -> str:
        """The whole log."""
        return self.server.get(f"{self.url}consoleText").text

    @property
    def artifacts(self) -> dict[str, str]:
        """Text of every archived file, by its path."""
        paths = [each["relativePath"] for each in self.info("artifacts[relativePath]")["artifacts"]]
        return {path: self.server.get(f"{self.url}artifact/{quote(path)}").text for path in paths}

    def stop(self) -> None:
        """Abort it, as the red button does."""
        self.server.post(f"{self.url}stop")

    def answer(self, question: str, *, proceed: bool) -> None:
        """Answer what an ``input`` step with this id asks, as its form does."""
        address = f"{self.url}input/{quote(question)}/"
        if proceed:  # the form, because `proceedEmpty` tells the pipeline nobody's name
            self.server.post(f"{address}submit", data={"proceed": "yes", "json": '{"parameter": []}'})
        else:
            self.server.post(f"{address}abort")

    def wait(self, seconds: float = BUILD_SECONDS) -> Build:
        """Wait until it has ended; stop it if it takes longer."""
        try:
            self.server.until(
                "its end", lambda: self.info()["building"] is False or None, seconds, self.describe
            )
        except JenkinsError:
            self.stop()
            raise
        return self

    def expect(self, *results: str) -> Build:
        """Make sure that it has ended with one of these results."""
        got = self.info()["result"]
        if got not in results:
            raise JenkinsError(f"{' or '.join(results)} was expected, not {got}: {self.describe()}")
        return self

    def expect_log(self, text: str) -> Build:
        """Make sure that this is in its log."""
        if text not in self.console:
            raise JenkinsError(f"{text!r} is not in the log: {self.describe()}")
        return self

    def expect_no_log(self, *texts: str) -> Build:
        """Make sure that none of these is in its log."""
        for text in texts:
            if text in self.console:
                raise JenkinsError(f"{text!r} is in the log: {self.describe()}")
        return self

    def describe(self) -> str:
        """Where it is, its result and the end of its log, for a failure's message."""
        lines = [line for line in self.console.splitlines() if not FRAME.match(line)]
        head = f"{self.url} (job {self.job}, build {self.number}, result {self.info()['result']})"
        return "\n".join(
            [head, "--- the log's last lines, without Java's stack frames ---", *lines[-TAIL:], "---"]
        )


class JenkinsServer:
    """The Jenkins under test.

    Requests are repeated while Jenkins starts or reloads. One that changes something is repeated only if Jenkins
    cannot have taken it.

    Args:
        url: Its root.
        user: An administrator.
        token: An API token of that user.
    """

    def __init__(self, url: str, user: str, token: str) -> None:
        self.url = url.rstrip("/") + "/"
        self._http = requests.Session()
        self._http.auth = (user, token)
        self._http.trust_env = False  # a .netrc or a proxy of this machine is not meant
        self._crumb: dict[str, str] | None = None

    def get(self, address: str, **params: str) -> requests.Response:
        """Read an address, below the root if it is relative."""
        return self._request("GET", address, params=params)

    def json(self, address: str, tree: str) -> Any:
        """A part of an item's API document."""
        return self.get(urljoin(self._absolute(address), "api/json"), tree=tree).json()

    def post(
        self, address: str, *, data: Mapping[str, str] | bytes | None = None, **params: str
    ) -> requests.Response:
        """Change something; with the crumb that Jenkins asks for where it asks for one."""
        kind = {"Content-Type": "application/xml"} if isinstance(data, bytes) else {}
        return self._request("POST", address, params=params, data=data, headers=kind | self._crumb_header())

    def groovy(self, script: str) -> str:
        """What a script prints in the script console.

        A script that throws is answered with 200 too, so it must print OK last.
        """
        printed = self.post("scriptText", data={"script": f"{script}\nprintln('OK')"}).text.strip()
        if not printed.endswith("OK"):
            raise JenkinsError(f"the script console of {self.url} says:\n{printed}\n--- to ---\n{script}")
        return printed.removesuffix("OK").strip()

    def create(self, name: str, config: Element) -> None:
        """Make an item; ``name`` may have folders, which exist."""
        folder, _, short_name = name.rpartition("/")
        self.post(f"{item_path(folder)}createItem", data=tostring(config, encoding="utf-8"), name=short_name)

    def delete(self, name: str) -> None:
        """Remove an item and all that is in it."""
        address = f"{item_path(name)}doDelete"
        self._request("POST", address, headers=self._crumb_header(), seconds=DELETE_SECONDS)

    def start(self, job: str, parameters: Mapping[str, str] | None = None) -> Build:
        """Start a build and wait until it has left the queue; the parameters are strings, as a form's are."""
        action = "build" if parameters is None else "buildWithParameters"
        queued = self.post(f"{item_path(job)}{action}", data=dict(parameters or {})).headers["Location"]
        waiting = {"why": ""}

        def started() -> dict[str, Any] | None:
            item = self.json(queued, "why,cancelled,executable[url,number]")
            waiting["why"] = item.get("why") or ""
            if item.get("cancelled"):
                raise JenkinsError(f"a build of {job} was cancelled in the queue")
            return item.get("executable") or None

        found = self.until(f"a build of {job} to start", started, QUEUE_SECONDS, lambda: waiting["why"])
        return Build(self, self._absolute(f"{item_path(job)}{found['number']}/"), job, found["number"])

    def run(
        self, job: str, parameters: Mapping[str, str] | None = None, seconds: float = BUILD_SECONDS
    ) -> Build:
        """Start a build and wait until it has ended."""
        return self.start(job, parameters).wait(seconds)

    @staticmethod
    def until(
        what: str, probe: Callable[[], Found | None], seconds: float, describe: Callable[[], str]
    ) -> Found:
        """Wait until the probe returns something."""
        deadline = time.monotonic() + seconds
        while (found := probe()) is None:
            if time.monotonic() > deadline:
                raise JenkinsError(f"waited {seconds:.0f} s in vain for {what}: {describe()}")
            time.sleep(POLL)
        return found

    def _absolute(self, address: str) -> str:
        """Below the root by which the tests reach Jenkins, whatever it believes its own address to be."""
        for part in ("job/", "queue/"):
            if "://" in address and f"/{part}" in address:
                return self.url + part + address.split(f"/{part}", 1)[1]
        return urljoin(self.url, address)

    def _crumb_header(self) -> dict[str, str]:
        if self._crumb is None:
            answer = self._send("GET", "crumbIssuer/api/json")
            if answer.status_code not in {200, 404}:
                raise _refused(answer)
            found = answer.json() if answer.status_code == 200 else None  # 404: protection is off
            self._crumb = {found["crumbRequestField"]: found["crumb"]} if found else {}
        return self._crumb

    def _request(self, method: str, address: str, **options: Any) -> requests.Response:
        answer = self._send(method, address, **options)
        if answer.status_code == 403 and method == "POST" and "crumb" in answer.text.lower():
            self._crumb = None  # it came from a session that has ended
            options["headers"] = options.get("headers", {}) | self._crumb_header()
            answer = self._send(method, address, **options)
        if not answer.ok:
            raise _refused(answer)
        return answer

    def _send(
        self, method: str, address: str, *, seconds: float = REQUEST_SECONDS, **options: Any
    ) -> requests.Response:
        deadline = time.monotonic() + RELOAD_SECONDS
        while True:
            answer = None
            try:
                answer = self._http.request(
                    method,
                    self._absolute(address),
                    timeout=seconds,
                    allow_redirects=method == "GET",
                    **options,
                )
            except (requests.ConnectionError, requests.Timeout) as error:
                if time.monotonic() > deadline or (method != "GET" and not _unsent(error)):
                    raise JenkinsError(f"{method} {self._absolute(address)}: {error}") from error
            if answer is not None and (answer.status_code not in LOADING or time.monotonic() > deadline):
                return answer
            time.sleep(POLL)


def item_path(name: str) -> str:
    """The path of an item below the root: ``job/FOLDER/job/NAME/``; empty for the root."""
    return "".join(f"job/{quote(part)}/" for part in name.split("/") if part)


def _unsent(error: requests.RequestException) -> bool:
    """Whether Jenkins cannot have seen the request: nobody listened."""
    return isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in repr(error)


def _refused(answer: requests.Response) -> JenkinsError:
    said = answer.headers.get("X-Error") or answer.text[:2000]
    return JenkinsError(
        f"{answer.request.method} {answer.url} was answered with {answer.status_code}: {said}"
    )
