"""What Jenkins must reach from where it is: the library's repository, and MLflow behind a proxy."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from support.proxy import CountingProxy
from support.servers import Server

BRANCH = "acceptance"
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Mlflow:
    """An MLflow server of this machine and what stands in front of it."""

    server: Server
    proxy: CountingProxy
    url: str

    @property
    def direct(self) -> str:
        """The server's own address, for the tests."""
        return self.server.url


def host() -> str:
    """The address by which Jenkins and its agents reach this machine."""
    return os.environ.get("JENKINS_MLFLOW_TEST_HOST") or HERE


def bind_address() -> str:
    """Where to listen: on every address only if Jenkins is somewhere else."""
    return HERE if host() == HERE else "0.0.0.0"


@contextlib.contextmanager
def serve_repository(source: Path, folder: Path, branches: Sequence[str] = ()) -> Iterator[str]:
    """Serve the last commit of a repository as its branch ``acceptance``, read only; gives the address to clone from.

    ``branches`` of it are served beside that one, which then is the repository's own branch of that name.

    Plain files over HTTP: a stock Jenkins refuses a library in a folder of its own machine, and Jenkins may be
    elsewhere.
    """
    bare = folder / "library.git"
    _git("init", "--quiet", "--bare", str(bare))
    pushed = [f"{BRANCH if branches else 'HEAD'}:refs/heads/{BRANCH}", *branches]
    _git("-C", str(source), "push", "--quiet", str(bare), *pushed)
    _git("-C", str(bare), "symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
    _git("-C", str(bare), "repack", "-a", "-d", "--quiet")
    _git("-C", str(bare), "update-server-info")
    server = ThreadingHTTPServer((bind_address(), 0), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    with _running(server):
        yield f"http://{host()}:{server.server_address[1]}/{bare.name}"


@contextlib.contextmanager
def reachable(url: str) -> Iterator[str]:
    """The address of a server of this machine for Jenkins: the same, or that of a forwarder."""
    if host() == HERE:
        yield url
        return
    port = urlsplit(url).port or 80
    with _Forwarder(port) as forwarder:
        yield f"http://{host()}:{forwarder.port}"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _running(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Forwarder:
    """Passes connections from any address on to a port of this machine's loopback; a context manager."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((bind_address(), 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> _Forwarder:  # noqa: PYI034
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection((HERE, self._target)) as far:
            back = threading.Thread(target=_pump, args=(far, near), daemon=True)
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
