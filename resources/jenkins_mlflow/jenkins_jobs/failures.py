"""Translates errors of python-jenkins: what could not be done, why, and what to do next."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import requests

from jenkins_mlflow.errors import ConnectionFailed, JenkinsError, JobNotFound, chain
from jenkins_mlflow.jenkins_jobs.access import Access
from jenkins_mlflow.registry.faults import Fault, classify
from jenkins_mlflow.text import HIDDEN, one_line, printable

_ACCOUNT = (
    "make a token on your Jenkins user's page (Security, API Token); set JENKINS_USER and JENKINS_TOKEN"
)
_PERMISSION = "ask for the permission; `jobs apply` needs Job/Read, Create and Configure"
_UNKNOWN = "whether Jenkins did it is not known"
SAVE_ANEW = "look at the job's page; saving it there writes its config.xml anew"
# The exceptions that a malformed answer leads to, in python-jenkins or in the package that reads it.
MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_NAME = "check the name, folders included; `jobs apply` makes the jobs of jobs.yaml"


class Redirected(requests.RequestException):
    """A POST was answered with a redirect that would send its content to another address, or drop it."""

    def __init__(self, asked: str, target: str) -> None:
        self.target = target
        super().__init__(
            f"{asked} answers with a redirect to {target}, and nothing that is posted is sent on"
        )


def origin(address: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def explained(
    what: str, error: Exception, access: Access, *, sent_once: bool
) -> JenkinsError | ConnectionFailed:
    """The failure as one of the package's errors. It never contains a page that Jenkins sent, nor the token.

    Args:
        what: The attempted action, in the imperative.
        error: The error of python-jenkins, or of a library below it.
        access: Jenkins' address and the account.
        sent_once: Whether the request must not be sent twice.
    """
    fault = classify(error)
    begun, who = f"cannot {printable(what)}", printable(access.user or "anonymous")
    if isinstance(error, Redirected):
        next_step = f"if {error.target} is your Jenkins, set JENKINS_URL to the address that its pages show"
        return JenkinsError(f"{begun}: {one_line(str(error))}", next_step=next_step)
    if isinstance(error, MISSHAPEN):
        message = "the answer was not Jenkins' own"
        next_step = f"check that {access.url} is Jenkins, not a login page"
        return JenkinsError(f"{begun}: {message}", state=_UNKNOWN if sent_once else "", next_step=next_step)
    if fault.connection:
        return _unreachable(begun, fault, _asked(error, access.url), sent_once=sent_once)
    return _refused(begun, who, error, access.url, sent_once=sent_once)


def _refused(begun: str, who: str, error: Exception, url: str, *, sent_once: bool) -> JenkinsError:
    """The failure, by the HTTP status of Jenkins' answer."""
    fault, response = classify(error), response_of(error)
    header = one_line(response.headers.get("X-Error", "")) if response is not None else ""
    said = f": {header}" if header else ""
    if fault.status == 401:
        message = f"Jenkins does not accept the user {who} with this token (HTTP 401)"
        return JenkinsError(f"{begun}: {message}", next_step=_ACCOUNT)
    if fault.status == 403:
        return JenkinsError(
            f"{begun}: Jenkins does not allow it to {who} (HTTP 403){said}", next_step=_PERMISSION
        )
    if fault.status == 404:
        message = f"there is no such thing in {url}, or {who} may not see it (HTTP 404)"
        return JobNotFound(f"{begun}: {message}", next_step=_NAME)
    message = f"HTTP {fault.status} from Jenkins{said}" if fault.status else one_line(str(error))
    state = _UNKNOWN if sent_once and (fault.status or 0) >= 500 else ""
    next_step = f"look at {url} and Jenkins' own log, then run the command again"
    return JenkinsError(f"{begun}: {message}", state=state, next_step=next_step)


def _unreachable(begun: str, fault: Fault, url: str, *, sent_once: bool) -> ConnectionFailed:
    # A query may be the signature of an archived file's address.
    summary = re.sub(r"\?\S+", f"?{HIDDEN}", fault.summary)
    message = f"{begun}: {summary} ({url})"
    if sent_once and fault.sent:
        return ConnectionFailed(
            message, state=_UNKNOWN, next_step=f"look at {url} before you run the command again"
        )
    return ConnectionFailed(
        message, next_step="check JENKINS_URL and the network, then run the command again"
    )


def _asked(error: Exception, url: str) -> str:
    """The server that did not answer: Jenkins, or the one to which it redirected the request."""
    found = (link.request for link in chain(error) if isinstance(link, requests.RequestException))
    address = next((request.url for request in found if request is not None and request.url), url)
    return url if origin(address) == origin(url) else origin(address)


def response_of(error: BaseException) -> requests.Response | None:
    """The answer behind an error; python-jenkins leaves it in ``__context__``."""
    answers = (link.response for link in chain(error) if isinstance(link, requests.RequestException))
    return next((answer for answer in answers if answer is not None), None)
