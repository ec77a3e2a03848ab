"""A small Jenkins: it answers the calls that `jenkins-mlflow jobs` makes, in the formats of Jenkins 2.5xx.

Formats: Jenkins' remote access API pages (crumbIssuer, queue item, progressiveText, buildWithParameters), the stored
config.xml of public pipeline jobs, and what python-jenkins' own tests expect.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

from typing_extensions import Self

USER, TOKEN = "dana", "11c0ffee-the-token"
FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
_CLASSES = {
    "flow-definition": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
    "project": "hudson.model.FreeStyleProject",
}
_ACTION = "org.jenkinsci.plugins.pipeline.modeldefinition.actions.Declarative"
_PLUGINS = {
    "flow-definition": "workflow-job@1571.vb_423c255d6d9",
    _ACTION: "pipeline-model-definition@2.2277.v00573e73ddf1",
    "org.jenkinsci.plugins.workflow.cps.": "workflow-cps@4209.v83c4e257f1e9",
    "hudson.plugins.git.GitSCM": "git@5.8.0",
}


@dataclass
class Run:
    """How a build will go: what it waits for, what it logs look by look, how it ends."""

    result: str = "SUCCESS"
    log: list[bytes] = field(default_factory=lambda: [b"Started by user dana\nFinished: SUCCESS\n"])
    whys: list[str] = field(default_factory=list)
    artifacts: dict[str, Any] = field(default_factory=dict)
    description: str | None = None
    cancelled: bool = False
    endless: bool = False


@dataclass
class Build:
    """A started build. ``shown`` chunks of the log have been given out."""

    number: int
    run: Run
    parameters: dict[str, str]
    shown: int = 0
    stopped: bool = False

    @property
    def building(self) -> bool:
        return not self.stopped and (self.run.endless or self.shown < len(self.run.log))

    def log(self, start: int) -> tuple[bytes, bool]:
        self.shown = min(self.shown + 1, len(self.run.log))
        return b"".join(self.run.log[: self.shown])[start:], self.building


@dataclass
class QueueItem:
    name: str
    run: Run
    parameters: dict[str, str]
    looks: int = 0
    number: int | None = None
    cancelled: bool = False


@dataclass
class Request:
    method: str
    path: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def page(status: int, reason: str, **headers: str) -> Answer:
    return Answer(
        status,
        f"<html><title>Error {status} {reason}</title></html>".encode(),
        {"Content-Type": "text/html", **headers},
    )


def json_answer(document: Any) -> Answer:
    return Answer(200, json.dumps(document).encode(), {"Content-Type": "application/json;charset=utf-8"})


class FakeJenkins:
    """A Jenkins on a free port, with one user.

    Attributes:
        configs: The stored XML of every item by full name; a test may look and change.
        runs: How the next builds of a job will go; without an entry they succeed at once.
        faults: Called with each request before it is answered; the first that returns an answer gives it. Status 0
            closes the connection without a word.
    """

    def __init__(self, *, crumbs: bool = True) -> None:
        self.crumbs = crumbs
        self.configs: dict[str, str] = {}
        self.runs: dict[str, list[Run]] = {}
        self.builds: dict[str, list[Build]] = {}
        self.queue: dict[int, QueueItem] = {}
        self.faults: list[Callable[[Request], Answer | None]] = []
        self.seen: list[Request] = []
        self.session = ""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else every answer takes 40 ms

            def do_GET(self) -> None:
                fake._handle(self, "")

            def do_POST(self) -> None:
                fake._handle(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environ(self) -> dict[str, str]:
        return {"JENKINS_URL": self.url, "JENKINS_USER": USER, "JENKINS_TOKEN": TOKEN}

    @property
    def writes(self) -> list[str]:
        """The paths of all POST requests."""
        return [request.path for request in self.seen if request.method == "POST"]

    def fail(self, method: str, part: str, *answers: Answer) -> None:
        """Answer the next requests with this method and part of the path like this, then as ever."""
        remaining = list(answers)

        def fault(request: Request) -> Answer | None:
            return (
                remaining.pop(0) if remaining and request.method == method and part in request.path else None
            )

        self.faults.append(fault)

    def _handle(self, handler: BaseHTTPRequestHandler, body: str) -> None:
        request = Request(handler.command, handler.path, body, dict(handler.headers))
        self.seen.append(request)
        answer = next((given for fault in self.faults if (given := fault(request))), None)
        answer = answer or self._refused(handler) or self._answer(request)
        if answer.status == 0:
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in {"X-Jenkins": "2.528.1", **answer.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def _refused(self, handler: BaseHTTPRequestHandler) -> Answer | None:
        expected = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        if "Authorization" not in handler.headers:
            return page(403, "Forbidden", **{"X-Error": "anonymous is missing the Overall/Read permission"})
        if handler.headers["Authorization"] != expected:
            return page(401, "Unauthorized")
        if handler.command == "POST" and self.crumbs:
            cookie = re.search(r"JSESSIONID=(\w+)", handler.headers.get("Cookie", ""))
            if (
                not cookie
                or cookie[1] != self.session
                or handler.headers.get("Jenkins-Crumb") != self._crumb()
            ):
                return page(403, "No valid crumb was included in the request")
        return None

    def _crumb(self) -> str:
        return hashlib.sha256(self.session.encode()).hexdigest()

    def _answer(self, request: Request) -> Answer:
        parts = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path == "/crumbIssuer/api/json":
            return self._issue_crumb()
        if item := re.fullmatch(r"/queue/item/(\d+)/api/json", parts.path):
            return self._queue_item(int(item[1]))
        if parts.path == "/queue/cancelItem":
            self.queue[int(query["id"])].cancelled = True
            return Answer(204)
        match = re.fullmatch(r"((?:/job/[^/]+)*)/(.*)", parts.path)
        assert match, parts.path
        name = "/".join(unquote(part) for part in match[1].split("/job/")[1:])
        return self._item(request, name, match[2], query)

    def _issue_crumb(self) -> Answer:
        if not self.crumbs:
            return page(404, "Not Found")
        self.session = self.session or secrets.token_hex(8)
        answer = json_answer(
            {
                "_class": "hudson.security.csrf.DefaultCrumbIssuer",
                "crumb": self._crumb(),
                "crumbRequestField": "Jenkins-Crumb",
            }
        )
        answer.headers["Set-Cookie"] = f"JSESSIONID={self.session}; Path=/; HttpOnly"
        return answer

    def _item(self, request: Request, name: str, rest: str, query: dict[str, str]) -> Answer:
        if rest == "createItem":
            return self._create(name, query["name"], request.body)
        if name not in self.configs:
            return page(404, "Not Found")
        if rest in ("config.xml", "api/json"):
            return self._config(request, name) if rest == "config.xml" else json_answer(self._job(name))
        if rest in ("build", "buildWithParameters"):
            return self._start(name, rest, request.body)
        build = re.fullmatch(r"(\d+|lastBuild)/(.*)", rest)
        return self._build(name, build[1], build[2], query) if build else page(404, "Not Found")

    def _config(self, request: Request, name: str) -> Answer:
        if request.method == "POST":
            self.configs[name] = request.body
            return Answer(200)
        return Answer(200, self.configs[name].encode(), {"Content-Type": "application/xml"})

    def _create(self, folder: str, short: str, xml: str) -> Answer:
        name = f"{folder}/{short}" if folder else short
        if folder and folder not in self.configs:
            return page(404, "Not Found")
        if name in self.configs:
            return page(400, "Bad Request", **{"X-Error": f"A job already exists with the name {short}"})
        self.configs[name] = xml
        return Answer(200)

    def definitions(self, name: str) -> list[dict[str, Any]]:
        """A job's parameters as the API shows them."""
        found = []
        for node in ET.fromstring(self.configs[name]).iterfind(
            "properties/hudson.model.ParametersDefinitionProperty/*/*"
        ):
            kind = node.tag.rpartition(".")[2]
            default = node.findtext("defaultValue") or ""
            shown: dict[str, Any] = {
                "_class": node.tag,
                "name": node.findtext("name"),
                "type": kind,
                "description": "",
            }
            if choices := [choice.text or "" for choice in node.iter("string")]:
                shown["choices"], default = choices, choices[0]
            if "Password" not in kind:
                shown["defaultParameterValue"] = {"name": node.findtext("name"), "value": default}
            found.append(shown)
        return found

    def _job(self, name: str) -> dict[str, Any]:
        root = ET.fromstring(self.configs[name])
        definitions = self.definitions(name)
        properties: list[dict[str, Any]] = [{"_class": "jenkins.model.BuildDiscarderProperty"}]
        if definitions:
            properties.append(
                {"_class": "hudson.model.ParametersDefinitionProperty", "parameterDefinitions": definitions}
            )
        return {
            "_class": _CLASSES.get(root.tag, root.tag),
            "name": name.rpartition("/")[2],
            "fullName": name,
            "buildable": root.findtext("disabled") != "true",
            "property": properties,
            "builds": [self._shown(name, build) for build in reversed(self.builds.get(name, []))],
        }

    def _start(self, name: str, how: str, body: str) -> Answer:
        if self._job(name)["buildable"] is False:
            return page(409, "Conflict")
        if how == "build" and self.definitions(name):
            return page(400, "This page expects a form submission")
        if how == "buildWithParameters" and not self.definitions(name):
            return page(500, "is not parameterized")
        given = {key: values[0] for key, values in parse_qs(body, keep_blank_values=True).items()}
        number = 40 + len(self.queue)
        planned = self.runs.get(name)
        self.queue[number] = QueueItem(name, planned.pop(0) if planned else Run(), given)
        return Answer(201, b"", {"Location": f"http://jenkins.elsewhere/queue/item/{number}/"})

    def _queue_item(self, number: int) -> Answer:
        if number not in self.queue:
            return page(404, "Not Found")
        item = self.queue[number]
        shown: dict[str, Any] = {"_class": "hudson.model.Queue$WaitingItem", "id": number, "why": None}
        if item.run.cancelled and item.looks >= len(item.run.whys):
            item.cancelled = True
        if item.cancelled:
            return json_answer({**shown, "_class": "hudson.model.Queue$LeftItem", "cancelled": True})
        if item.looks < len(item.run.whys):
            shown["why"] = item.run.whys[item.looks]
            item.looks += 1
            return json_answer(shown)
        if item.number is None:
            builds = self.builds.setdefault(item.name, [])
            item.number = len(builds) + 1
            builds.append(Build(item.number, item.run, item.parameters))
        executable = {"_class": _CLASSES["flow-definition"], "number": item.number, "url": ""}
        return json_answer(
            {**shown, "_class": "hudson.model.Queue$LeftItem", "cancelled": False, "executable": executable}
        )

    def _build(self, name: str, which: str, rest: str, query: dict[str, str]) -> Answer:
        builds = self.builds.get(name, [])
        if not builds or (which != "lastBuild" and int(which) > len(builds)):
            return page(404, "Not Found")
        build = builds[-1] if which == "lastBuild" else builds[int(which) - 1]
        if rest == "api/json":
            return json_answer(self._shown(name, build))
        if rest == "stop":
            build.stopped = True
            return Answer(302, b"", {"Location": f"{self.url}/job/{'/job/'.join(name.split('/'))}/api/json"})
        if rest == "logText/progressiveText":
            start = int(query["start"])
            text, more = build.log(start)
            headers = {"Content-Type": "text/plain;charset=utf-8", "X-Text-Size": str(start + len(text))}
            return Answer(200, text, headers | ({"X-More-Data": "true"} if more else {}))
        path = unquote(rest.removeprefix("artifact/"))
        if path in build.run.artifacts:
            content = build.run.artifacts[path]
            content = (
                content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
            )
            return Answer(200, content, {"Content-Type": "application/json"})
        return page(404, "Not Found")

    def _shown(self, name: str, build: Build) -> dict[str, Any]:
        ended = "ABORTED" if build.stopped else build.run.result
        return {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
            "number": build.number,
            "url": f"{self.url}/job/{'/job/'.join(name.split('/'))}/{build.number}/",
            "result": None if build.building else ended,
            "building": build.building,
            "timestamp": int(time.time() * 1000) - 90_000,
            "duration": 0 if build.building else 42_000,
            "description": build.run.description,
            "artifacts": [{"relativePath": path} for path in build.run.artifacts],
        }


def first_build(
    xml: str, *, parameters: str = "", properties: str = "", triggers: str = "", record: str = ""
) -> str:
    """A posted config.xml as Jenkins stores it once a declarative Jenkinsfile has run: versions of plugins, default
    values, the record of what was declared, another order, XML 1.1.

    Args:
        parameters, properties, triggers: XML that the Jenkinsfile adds.
        record: The inside of the record of that.
    """
    root = ET.fromstring(xml)
    actions, held = root.find("actions"), root.find("properties")
    assert actions is not None
    assert held is not None
    actions.append(ET.Element(f"{_ACTION}JobAction"))
    actions.append(
        ET.fromstring(f"<{_ACTION}JobPropertyTrackerAction>{record}</{_ACTION}JobPropertyTrackerAction>")
    )
    added = [*ET.fromstring(f"<all>{properties}</all>")]
    held[:] = [node for node in held if node.tag not in {new.tag for new in added}] + added
    for tag, container, text in (
        ("hudson.model.ParametersDefinitionProperty", "parameterDefinitions", parameters),
        ("org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty", "triggers", triggers),
    ):
        node = held.find(tag)
        if node is None:
            node = ET.SubElement(held, tag)
            ET.SubElement(node, container)
        new = [*ET.fromstring(f"<all>{text}</all>")]
        names = {(item.tag, item.findtext("name")) for item in new}
        node[0][:] = [item for item in node[0] if (item.tag, item.findtext("name")) not in names] + new
    ET.SubElement(held, "hudson.plugins.jira.JiraProjectProperty", plugin="jira@3.13")
    for strategy in root.iter("strategy"):
        ET.SubElement(strategy, "removeLastBuild").text = "false"
    held[:] = sorted(held, key=lambda node: node.tag, reverse=True)
    for node in root.iter():
        version = next((version for start, version in _PLUGINS.items() if node.tag.startswith(start)), None)
        version = (
            version
            or _PLUGINS.get(node.get("class", ""))
            or (_PLUGINS["org.jenkinsci.plugins.workflow.cps."] if "cps" in node.get("class", "") else None)
        )
        if version:
            node.set("plugin", version)
    ET.indent(root)
    return "<?xml version='1.1' encoding='UTF-8'?>\n" + ET.tostring(
        root, encoding="unicode", short_empty_elements=False
    )
