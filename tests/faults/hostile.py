"""Answers with status 200 that are not MLflow's, and redirects: a login page or a gateway in front of the server.

Each comes in two variants where that matters: instead of the request, or after it has taken effect.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from dimensions import is_write
from enumeration import GARBAGE, Kind, always
from jenkins_mlflow.registry import rest
from jenkins_mlflow.registry.sending import Endpoint
from support.proxy import Answer, Fault, Request, Send

JSON = (("Content-Type", "application/json"),)
HTML = (("Content-Type", "text/html"),)
GATEWAY = b'{"status": "ok"}'
ELSEWHERE = "http://login.invalid/start"
AGAIN = "again"
_WRONG = {str: [], list: "x", dict: "x", int: {}, bool: {}, float: {}, type(None): {}}
_FIELDS = ("registered_model", "model_version", "run", "experiment", "model", "artifact_uri", "experiment_id")
_LISTS = ("registered_models", "model_versions", "runs", "experiments", "models", "files", "metrics")
_MAY_BE_EMPTY = [
    f"{each.method} {each.path.partition('/mlflow/')[2] or each.path}"
    for each in vars(rest).values()
    if isinstance(each, Endpoint)
    and len(each.answer.__struct_fields__) == len(each.answer.__struct_defaults__)
]
# A message names what was wrong: the words of sending.py, asking.py or translation.py.
_SAID = (
    "is this address an MLflow server?",
    "does not say what time it is",
    "does not fit MLflow's REST API",
    "which redirects to http://login.invalid/start",
    "repeats a page",
)


def says_so(text: str) -> bool:
    """Whether a text says that an answer was not MLflow's."""
    return any(words in text for words in _SAID)


def instead(answer: Answer) -> Fault:
    """The request does not reach the server."""
    return lambda request, send: answer


def afterwards(answer: Answer) -> Fault:
    """The request takes effect, and its answer is replaced."""

    def fault(request: Request, send: Send) -> Answer:
        send()
        return answer

    return fault


def cut(request: Request, send: Send) -> Answer:
    """The first half of the answer."""
    answer = send()
    return Answer(answer.status, answer.body[: (len(answer.body) + 1) // 2], JSON)


def spoilt(request: Request, send: Send) -> Answer:
    """The answer, with another type for each value of it; a list instead of an object without any."""
    answer = send()
    try:
        found = json.loads(answer.body)
    except ValueError:
        return Answer(200, b"[]", JSON)
    wrong: Any = {key: _WRONG[type(value)] for key, value in found.items()} or []
    return Answer(200, json.dumps(wrong).encode(), JSON)


def repeating() -> Fault:
    """Every search answers with the same page, which names itself as the next one."""
    pages: dict[str, Answer] = {}

    def fault(request: Request, send: Send) -> Answer:
        if AGAIN in request.path or f'"{AGAIN}"'.encode() in request.body:
            return pages[request.endpoint]
        answer = send()
        if not request.endpoint.endswith("/search") or answer.status != 200:
            return answer
        page = json.loads(answer.body) | {"next_page_token": AGAIN}
        pages[request.endpoint] = Answer(200, json.dumps(page).encode(), JSON)
        return pages[request.endpoint]

    return fault


_TYPES = json.dumps(dict.fromkeys(_FIELDS, 7) | dict.fromkeys(_LISTS, "x")).encode()
_REDIRECT = Answer(302, b"", (("Location", ELSEWHERE),))


def is_search(request: str) -> bool:
    return request.endswith("/search")


def needs_more(request: str) -> bool:
    """Whether {} cannot be MLflow's answer; an empty search and most writes have no other."""
    return not any(request.startswith(each) for each in _MAY_BE_EMPTY)


def pair(
    name: str,
    answer: Answer,
    after: Fault | None = None,
    at: Callable[[str], bool] = lambda request: True,
) -> tuple[Kind, Kind]:
    """Instead of any request; and after a write, which has taken effect."""
    return (
        Kind(name, always(instead(answer)), at=at),
        Kind(
            f"{name} after",
            always(after or afterwards(answer)),
            at=lambda request: is_write(request) and at(request),
        ),
    )


_PAGE, _GATEWAY = Answer(200, GARBAGE.encode(), HTML), Answer(200, GATEWAY, JSON)
HOSTILE = (
    *pair("page", _PAGE),
    *pair("cut", Answer(200, b'{"registered_model', JSON), cut),
    *pair("empty", Answer(200, b"")),
    *pair("{}", Answer(200, b"{}", JSON), at=needs_more),
    *pair("gateway", _GATEWAY),
    *pair("types", Answer(200, _TYPES, JSON), spoilt),
    *pair("redirect", _REDIRECT),
    Kind("repeats", lambda zygote: repeating(), stays=True, at=is_search),
    Kind("page for good", always(instead(_PAGE)), stays=True),
    Kind("gateway for good", always(instead(_GATEWAY)), stays=True),
)
