"""The build to which a command belongs, and its user, from Jenkins' environment or the local checkout."""

from __future__ import annotations

import getpass
import hashlib
import re
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from jenkins_mlflow.tags import BUILD_TAG, BUILD_URL, CHANGE_TAG, COMMIT_TAG, JOB_TAG
from jenkins_mlflow.text import printable

STARTED = "JENKINS_MLFLOW_BUILD_STARTED"
"""The variable in which a step passes when its build began, in milliseconds since the epoch."""
_UNSAFE = re.compile(r"[^A-Za-z0-9 ._:/@+%=-]")
_LONGEST_ID = 200
_GIT_SECONDS = 5.0


def safe_id(text: str) -> str:
    """The build id as it is stored and searched for: it cannot break out of a quoted MLflow filter string.

    A changed id ends in a digest of the original, so that two builds never share one.

    >>> safe_id("jenkins-heart-disease-12")
    'jenkins-heart-disease-12'
    """
    safe = _UNSAFE.sub("-", text.strip())
    if safe == text and len(safe) <= _LONGEST_ID:
        return safe
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{safe[: _LONGEST_ID - 9]}-{digest}"


def build_id(environ: Mapping[str, str]) -> str:
    """The identity of Jenkins' build; empty outside Jenkins.

    BUILD_TAG alone is not enough: a job that was made again counts from 1, two Jenkins may have jobs of one name,
    and the jobs `a/b` and `a-b` have the same tag. So the time at which the build began, which the steps pass on, is
    part of it; without that time, a digest of the build's address is.

    >>> build_id({"BUILD_TAG": "jenkins-churn-12", "JENKINS_MLFLOW_BUILD_STARTED": "1764485000000"})
    'jenkins-churn-12@1764485000000'
    """
    tag, started = environ.get("BUILD_TAG", ""), environ.get(STARTED, "")
    url = environ.get("BUILD_URL", "")
    part = started or (url and hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:8])
    return f"{tag}@{part}" if tag and part else tag


@dataclass(frozen=True)
class BuildContext:
    """The build of a command. Unknown fields are empty, except ``user``.

    Attributes:
        id: The id that tags runs of this build; safe inside a filter string.
        url: Jenkins' page of the build.
        job: Jenkins' full job name.
        user: Who started it.
        git_commit: The commit that is built.
        change: The change request that is built, such as `PR-12`; empty for a branch.
    """

    id: str = ""
    url: str = ""
    job: str = ""
    user: str = "unknown"
    git_commit: str = ""
    change: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, build: str | None = None) -> BuildContext:
        """Read the context of a command.

        Args:
            environ: Jenkins sets BUILD_TAG, BUILD_URL, JOB_NAME and GIT_COMMIT; its build-user-vars plugin
                sets BUILD_USER and BUILD_USER_ID; a multibranch job sets CHANGE_ID and CHANGE_AUTHOR.
            build: The id given on the command line; it wins over JENKINS_MLFLOW_BUILD and Jenkins' build.
        """
        chosen = build or environ.get("JENKINS_MLFLOW_BUILD") or build_id(environ)
        users = (environ.get(key, "") for key in ("BUILD_USER", "BUILD_USER_ID", "CHANGE_AUTHOR"))
        return cls(
            id=safe_id(chosen) if chosen else "",
            url=printable(environ.get("BUILD_URL", "")),
            job=printable(environ.get("JOB_NAME", "")),
            user=printable(next((user for user in users if user), "") or _local_user()),
            git_commit=printable(environ.get("GIT_COMMIT", "")),
            change=printable(environ.get("CHANGE_ID", "")),
        )

    def for_training(self, checkout: Path) -> BuildContext:
        """The context for tagging runs: a training outside Jenkins gets an id of its own.

        Args:
            checkout: The checkout in which to ask git for the commit, if the environment does not have it.
        """
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        return replace(
            self,
            id=self.id or f"local-{now}-{secrets.token_hex(3)}",
            git_commit=self.git_commit or _head(checkout),
        )

    def tags(self) -> dict[str, str]:
        """The run tags, without unknown ones."""
        values = {
            BUILD_TAG: self.id,
            BUILD_URL: self.url,
            JOB_TAG: self.job,
            COMMIT_TAG: self.git_commit,
            CHANGE_TAG: self.change,
        }
        return {name: value for name, value in values.items() if value}


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an agent's container may run under a uid without a name
        return "unknown"


def _head(checkout: Path) -> str:
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=checkout,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
