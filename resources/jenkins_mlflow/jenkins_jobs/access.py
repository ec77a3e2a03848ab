"""Finds Jenkins' address and account: from --url, the environment, or ~/.netrc. Options have no secrets."""

from __future__ import annotations

import netrc
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.text import one_line, redact

_EXAMPLE = "set JENKINS_URL or give --url, for example --url https://jenkins.example.com"


@dataclass(frozen=True)
class Access:
    """Jenkins' address and an account; without a user, requests are anonymous."""

    url: str
    user: str | None = None
    token: str | None = field(default=None, repr=False)


def find_access(url: str | None, environ: Mapping[str, str], *, by_netrc: bool) -> Access:
    """Determine the server and the account.

    Args:
        url: The address from the command line.
        environ: The environment with JENKINS_URL, JENKINS_USER and JENKINS_TOKEN.
        by_netrc: Whether to take user and token from ~/.netrc.

    Raises:
        UsageError: The address or the account is missing, incomplete or unsafe.
    """
    address = (url or environ.get("JENKINS_URL") or "").rstrip("/")
    if not address:
        raise UsageError("no Jenkins URL is set", next_step="set JENKINS_URL or give --url")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:  # its text may contain part of the password
        raise UsageError(f"{redact(address)} is not a valid address", next_step=_EXAMPLE) from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{redact(address)} is not an http:// or https:// address", next_step=_EXAMPLE)
    if parts.username or parts.password:
        raise UsageError(
            "the Jenkins URL contains a user or password, which logs would show",
            next_step="remove them; set JENKINS_USER and JENKINS_TOKEN, or use --netrc",
        )
    if by_netrc:
        return Access(address, *_from_netrc(host))
    user, token = environ.get("JENKINS_USER"), environ.get("JENKINS_TOKEN")
    if bool(user) != bool(token):
        given, missing = ("JENKINS_USER", "JENKINS_TOKEN") if user else ("JENKINS_TOKEN", "JENKINS_USER")
        raise UsageError(
            f"{given} is set but {missing} is not", next_step=f"set {missing} too, or use --netrc"
        )
    return Access(address, user or None, token or None)


def _from_netrc(host: str) -> tuple[str, str]:
    """User and token of a host. Python itself rejects a file that others can read."""
    try:
        found = netrc.netrc().authenticators(host)
    except FileNotFoundError as error:
        raise UsageError(
            "--netrc: ~/.netrc does not exist",
            next_step=f"write `machine {host} login USER password TOKEN` into it and chmod 600 it, or set JENKINS_USER "
            "and JENKINS_TOKEN",
        ) from error
    except (OSError, netrc.NetrcParseError) as error:
        reason = getattr(error, "msg", "") or str(error)
        raise UsageError(
            f"--netrc: ~/.netrc cannot be used: {one_line(reason)}",
            next_step="chmod 600 ~/.netrc, if it is too open",
        ) from error
    if not found or not found[0] or not found[2]:
        raise UsageError(
            f"--netrc: ~/.netrc has no login and password for {host}",
            next_step=f"add a line: machine {host} login USER password TOKEN",
        )
    return found[0], found[2]
