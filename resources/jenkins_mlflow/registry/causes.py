"""Why a request got no answer: the cause at the end of what requests raises, and what can be done about it."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import requests

from jenkins_mlflow.registry.faults import CHECK_PROXY
from jenkins_mlflow.text import one_line

_CA = "set MLFLOW_TRACKING_SERVER_CERT_PATH or REQUESTS_CA_BUNDLE to the file of the CA that signed it"
_ANOTHER_NAME = (62, 64)  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_CERTIFICATE = "give the address by a name that the server's certificate has"
_PLAIN = "begin the address with http://, or with the port at which the server speaks TLS"
_FILES = (
    "MLFLOW_TRACKING_SERVER_CERT_PATH or REQUESTS_CA_BUNDLE is the file of the server's CA; "
    "MLFLOW_TRACKING_CLIENT_CERT_PATH is one file with the client's certificate and its key; all are PEM"
)
_BROKEN_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_ASKED = (
    "check that the server runs, and whether it asks for a client's certificate "
    "(MLFLOW_TRACKING_CLIENT_CERT_PATH)"
)
_NAME = "check the name of the host in the address, and that this machine can resolve it"
_IN_OPENSSL = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")


@dataclass(frozen=True)
class Cause:
    """Why there was no answer; ``sent`` is false if the request surely never left this machine."""

    text: str
    advice: str = ""
    sent: bool = True
    transient: bool = True


def cause_of(error: requests.ConnectionError | requests.exceptions.ChunkedEncodingError) -> Cause:
    """Why a connection failed or broke off. The error's own text begins with pool and URL, and ends with the cause."""
    *_, last = _links(error)
    text = one_line(_words(last))
    if isinstance(error, requests.exceptions.ProxyError):
        return Cause(f"the proxy cannot be used: {text}", CHECK_PROXY, sent=False)
    if isinstance(last, socket.gaierror):
        return Cause(f"the host's name cannot be resolved: {text}", _NAME, sent=False)
    if isinstance(error, requests.exceptions.SSLError):
        return _of_tls(last, f"TLS failed: {text}")
    if isinstance(last, ConnectionRefusedError) or "refused" in text:
        return Cause("connection refused", sent=False)
    return Cause(f"connection lost: {text}")


def _of_tls(last: BaseException, text: str) -> Cause:
    """Why no encrypted connection came about. A certificate is wrong again each time, a lost connection is not."""
    if isinstance(last, ssl.SSLCertVerificationError):
        advice = _CERTIFICATE if last.verify_code in _ANOTHER_NAME else _CA
        return Cause(text, advice, sent=False, transient=False)
    if isinstance(last, _BROKEN_OFF):
        return Cause(text, _ASKED)
    advice = _PLAIN if getattr(last, "reason", "") == "WRONG_VERSION_NUMBER" else _FILES
    return Cause(text, advice, transient=False)


def _links(error: BaseException) -> Iterator[BaseException]:
    """The error, and each that it wraps; urllib3 has them in its attributes and arguments."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        within = (getattr(link, "reason", None), *link.args, link.__cause__)
        link = next((each for each in within if isinstance(each, BaseException)), None)


def _words(error: BaseException) -> str:
    """What it says, without the marks of OpenSSL and of Python's source."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return _IN_OPENSSL.sub("", str(text))
