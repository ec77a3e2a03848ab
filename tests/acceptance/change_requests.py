"""GitHub's REST API as far as the plugin GitHub Branch Source asks for one open pull request and its Jenkinsfile."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from acceptance.served import bind_address, host

OWNER, NAME = "team", "models"
NUMBER = 12
AUTHOR = "ann"
REPOSITORY = f"/repos/{OWNER}/{NAME}"


@contextlib.contextmanager
def serve_change(jenkinsfile: str) -> Iterator[str]:
    """Serve the pull request; gives the API's address. Nothing can be cloned: the pipeline brings its own sources."""
    answers: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path.rstrip("/") or "/"
            self._say(200 if path in answers else 404, answers.get(path, {"message": "Not Found"}))

        def _say(self, status: int, document: Any) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer((bind_address(), 0), Handler) as server:
        url = f"http://{host()}:{server.server_port}"
        answers.update(_answers(url, jenkinsfile))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url
        server.shutdown()


def _answers(url: str, jenkinsfile: str) -> dict[str, Any]:
    sha = hashlib.sha1(jenkinsfile.encode(), usedforsecurity=False).hexdigest()
    ref = f"refs/pull/{NUMBER}/head"
    owner = {"login": OWNER, "id": 1, "type": "Organization", "url": f"{url}/users/{OWNER}"}
    author = {
        "login": AUTHOR,
        "id": 2,
        "type": "User",
        "url": f"{url}/users/{AUTHOR}",
        "html_url": f"{url}/{AUTHOR}",
    }
    repository = {
        "id": 3,
        "name": NAME,
        "full_name": f"{OWNER}/{NAME}",
        "owner": owner,
        "private": False,
        "url": f"{url}{REPOSITORY}",
        "html_url": f"{url}/{OWNER}/{NAME}",
        "default_branch": "main",
    }
    side = {"user": owner, "repo": repository}
    pull = {
        "id": 4,
        "number": NUMBER,
        "state": "open",
        "title": "A better model",
        "user": author,
        "url": f"{url}{REPOSITORY}/pulls/{NUMBER}",
        "html_url": f"{url}/{OWNER}/{NAME}/pull/{NUMBER}",
        "head": {**side, "label": f"{OWNER}:better", "ref": "better", "sha": sha},
        "base": {**side, "label": f"{OWNER}:main", "ref": "main", "sha": "0" * 40},
        "mergeable": True,
        "merge_commit_sha": sha,
    }
    content = {
        "type": "file",
        "name": "Jenkinsfile",
        "path": "Jenkinsfile",
        "sha": sha,
        "size": len(jenkinsfile),
        "url": f"{url}{REPOSITORY}/contents/Jenkinsfile",
        "encoding": "base64",
        "content": base64.b64encode(jenkinsfile.encode()).decode(),
    }
    commit = {"sha": sha, "commit": {"committer": {"name": AUTHOR, "date": "2026-11-28T09:00:00Z"}}}
    return {
        "/": {"rate_limit_url": f"{url}/rate_limit"},  # which is not there: no limit
        f"/users/{OWNER}": owner,
        f"/users/{AUTHOR}": author,
        REPOSITORY: repository,
        f"{REPOSITORY}/pulls": [pull],
        f"{REPOSITORY}/pulls/{NUMBER}": pull,
        f"{REPOSITORY}/collaborators": [author],
        f"{REPOSITORY}/git/{ref}": {"ref": ref, "object": {"type": "commit", "sha": sha}},
        f"{REPOSITORY}/commits/{sha}": commit,
        f"{REPOSITORY}/contents": [content],
        f"{REPOSITORY}/contents/Jenkinsfile": content,
    }
