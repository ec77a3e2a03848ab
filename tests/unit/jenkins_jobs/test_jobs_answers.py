"""Whatever answers at Jenkins' address: a command ends with a result or with one of the package's errors."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings, strategies as st
from jenkins_mlflow.errors import JenkinsError, JenkinsMlflowError
from jenkins_mlflow.jenkins_jobs import answers, parameters
from jenkins_mlflow.jenkins_jobs.access import Access
from jenkins_mlflow.jenkins_jobs.comparison import canonical, difference, merge, parse
from jenkins_mlflow.jenkins_jobs.server import Server
from jenkins_mlflow.jenkins_jobs.status import StatusResult, last_builds
from jenkins_mlflow.jenkins_jobs.watch import BuildResult, watch
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.render import render
from jenkins_mlflow.terminal import Terminal
from requests.adapters import BaseAdapter
from support.thorough import examples

URL = "http://jenkins"
NOT_JENKINS = "the answer was not Jenkins' own"
SHAPES = (answers.Build, answers.Job, answers.QueueItem, answers.Outcome, answers.ParameterDefinition)
KEYS = sorted({key for shape in SHAPES for key in shape.__annotations__} | {"crumb", "crumbRequestField"})

Answer = tuple[int, dict[str, str], bytes]


class Answers(BaseAdapter):
    """Gives its answers one after the other, the last one for ever; what is asked does not matter."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__()
        self.answers = answers

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        status, headers, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        response = requests.Response()
        response.status_code, response.raw, response.url = status, io.BytesIO(body), request.url or ""
        response.headers.update(headers)
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is open."""


def server(*replies: Answer) -> Server:
    made = Server(Access(URL, "dana", "token"), RetryPolicy(attempts=1))
    made._client._session.mount("http://", Answers(list(replies)))
    return made


def ok(document: Any, **headers: str) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return 200, {name.replace("_", "-"): value for name, value in headers.items()}, body


BUILD = {
    "number": 7,
    "url": None,
    "result": "SUCCESS",
    "building": False,
    "timestamp": 0,
    "duration": 1,
    "description": None,
    "artifacts": [{"relativePath": "mlflow-report/promote.json"}],
}
CRUMB = ok({"crumb": "c", "crumbRequestField": "Jenkins-Crumb"})


def changed(**fields: Any) -> Answer:
    return ok({**BUILD, **fields})


READ_BUILD: Callable[[Server], object] = lambda asked: asked.build("x", 7)  # noqa: E731
STATUS: Callable[[Server], object] = lambda asked: last_builds(asked, ["x"], 3, 0, named=True)  # noqa: E731
START: Callable[[Server], object] = lambda asked: asked.start("x", None)  # noqa: E731


@pytest.mark.parametrize(
    ("call", "replies", "message"),
    [
        (
            lambda asked: asked.log("x", 7, 0),
            [ok(b"line\n", X_Text_Size="zz")],
            f"cannot read the log of x 7: {NOT_JENKINS}",
        ),
        (
            lambda asked: asked.log("x", 7, 0),
            [ok(b"line\n", X_Text_Size="-1")],
            f"cannot read the log of x 7: {NOT_JENKINS}",
        ),
        (
            lambda asked: asked.config("x"),
            [ok("<a>é</a>".encode("latin-1"))],
            "cannot read x: its config.xml is not UTF-8",
        ),
        (START, [ok({"crumbRequestField": "Jenkins-Crumb"})], f"cannot start x: {NOT_JENKINS}"),
        (START, [ok(["crumb"])], f"cannot start x: {NOT_JENKINS}"),
        (START, [ok({"crumb": {}, "crumbRequestField": "a"})], f"cannot start x: {NOT_JENKINS}"),
        (START, [ok({"crumb": "a\nb", "crumbRequestField": "a"})], f"cannot start x: {NOT_JENKINS}"),
        (lambda asked: asked.create("x", "<a/>"), [CRUMB, ok([])], f"cannot create x: {NOT_JENKINS}"),
        (
            START,
            [CRUMB, (201, {"Location": f"{URL}/queue/item/{'9' * 5000}/"}, b"")],
            "Jenkins did not say which queue item x became",
        ),
        (lambda asked: asked.queue_item(1), [ok([])], f"cannot read queue item 1: {NOT_JENKINS}"),
        (
            lambda asked: asked.queue_item(1),
            [ok({"executable": {"number": "7"}})],
            f"cannot read queue item 1: {NOT_JENKINS}",
        ),
        (READ_BUILD, [ok(b"[" * 100_000)], f"cannot read x 7: {NOT_JENKINS}"),
        (READ_BUILD, [ok({})], f"cannot read x 7: {NOT_JENKINS}"),
        (READ_BUILD, [changed(duration=10**400)], f"cannot read x 7: {NOT_JENKINS}"),
        (READ_BUILD, [changed(artifacts=[{}])], f"cannot read x 7: {NOT_JENKINS}"),
        (READ_BUILD, [changed(url="\ud800")], f"cannot read x 7: {NOT_JENKINS}"),
        (STATUS, [ok({"builds": {}})], f"cannot read x: {NOT_JENKINS}"),
        (STATUS, [ok({"builds": [{**BUILD, "number": -1}]})], f"cannot read x: {NOT_JENKINS}"),
        (
            lambda asked: asked.job("x", parameters.TREE),
            [ok({"property": [{"parameterDefinitions": [{"type": "x"}]}]})],
            f"cannot read x: {NOT_JENKINS}",
        ),
    ],
)
def test_an_answer_of_another_shape_is_named(
    call: Callable[[Server], object], replies: list[Answer], message: str
) -> None:
    with pytest.raises(JenkinsError) as caught:
        call(server(*replies))
    assert caught.value.message == message
    assert caught.value.next_step


def compared(asked: Server) -> object:
    stored = asked.config("x")
    if stored is None:
        return None
    root = parse("x", stored)
    return difference("x", canonical(root), canonical(merge(root, parse("x", "<flow-definition/>"))))


def status(asked: Server) -> None:
    items = last_builds(asked, ["x"], 3, 0, named=False)
    result = StatusResult(message="m", items=items)
    for form in ("text", "json", "csv", "md"):
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        render(result, form, out)
        out.flush()


BEGUN = BuildResult(status="queued", message="", job="x")
COMMANDS: list[Callable[[Server], object]] = [
    status,
    compared,
    lambda asked: asked.kind("x"),
    lambda asked: asked.create("x", "<a/>"),
    lambda asked: asked.change("x", "<a/>"),
    lambda asked: asked.start("x", {"A": "b"}),
    lambda asked: asked.cancel(1),
    lambda asked: asked.stop("x", 1),
    lambda asked: asked.log("x", 1, 0),
    lambda asked: parameters.check("x", asked.job("x", parameters.TREE), ["A=b"]),
    lambda asked: watch(asked, replace(BEGUN, queue_item=1), Terminal(quiet=True), -1),
    lambda asked: watch(asked, replace(BEGUN, build=1), Terminal(quiet=True), -1),
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["A", "SUCCESS", "mlflow-report/promote.json"])
    | st.text(st.characters(exclude_categories=()), max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)
documents = st.fixed_dictionaries(
    {}, optional={key: st.just(value) | values for key, value in BUILD.items()}
) | st.fixed_dictionaries({"builds": st.lists(values | st.just(BUILD), max_size=2)})
bodies = (
    (values | documents).map(lambda document: json.dumps(document).encode())
    | st.binary(max_size=30)
    | st.text(alphabet="<>/ab&;'\"!?x:=-\x00é ", max_size=30).map(
        lambda text: f"<flow-definition>{text}</flow-definition>".encode()
    )
)
headers = st.dictionaries(
    st.sampled_from(["X-Text-Size", "X-More-Data", "Location", "X-Error", "Content-Type"]),
    st.text(st.characters(max_codepoint=255), max_size=12)
    | st.sampled_from(["true", "12", "/", f"{URL}/queue/item/1/", "text/html; charset=zz"]),
)
anything = st.tuples(
    st.sampled_from([200, 200, 200, 200, 201, 302, 307, 400, 401, 403, 404, 500, 503]), headers, bodies
)


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(COMMANDS), st.lists(st.just(CRUMB) | anything, min_size=1, max_size=4))
def test_no_answer_ends_in_a_traceback(call: Callable[[Server], object], replies: list[Answer]) -> None:
    try:
        call(server(*replies))
    except JenkinsMlflowError as error:
        assert all(line.isprintable() for line in error.message.split("\n"))
        assert error.next_step or not isinstance(error, JenkinsError)
