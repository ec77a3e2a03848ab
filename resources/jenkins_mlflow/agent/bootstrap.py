"""Installs the runner on an agent: unpacks the library's sources and builds their virtual environment, once.

Called by launch.sh with the bundle (a JSON file: the manifest and every shipped file's text) and the folder to
fill. The folder is named after the content, so it never changes once it is complete: `src` appears by one rename,
`ready` is written last. A lock makes a second build wait; what a killed build left behind is built again.
Everything it does is told on standard error. What a person must mend is printed as a result document, exit code 0.
Any old python3 must be able to read this file, so that it can say that it is too old: no f-strings here.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

OLDEST = (3, 10)
KEY = re.compile("[0-9a-f]{64}$")
KEPT = 2  # besides the one in use
DAY = 24 * 3600
ENTRY_POINT = "from jenkins_mlflow.agent.request import main\n\nmain\n"


class Failure(Exception):
    """What is wrong and what to do about it, in one line."""


def say(text: str) -> None:
    sys.stderr.write("jenkins-mlflow: " + text + "\n")
    sys.stderr.flush()


def content_key(files: "dict[str, str]") -> str:
    """The manifest's key: one digest over the names and contents of all shipped files."""
    digest = hashlib.sha256()
    for name in sorted(files):
        content = files[name].encode("utf-8")
        digest.update(("%s %d\n" % (name, len(content))).encode("utf-8") + content)
    return digest.hexdigest()


def unpack(files: "dict[str, str]", home: str) -> None:
    """Write the sources to home/src, complete or not at all."""
    partial = os.path.join(home, "src.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name, text in list(files.items()):
        path = os.path.join(partial, "jenkins_mlflow", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as out:
            out.write(text)
    with open(os.path.join(partial, "__main__.py"), "w", encoding="utf-8") as out:
        out.write(ENTRY_POINT)
    os.rename(partial, os.path.join(home, "src"))


def installer(venv: str) -> "list[list[str]]":
    """The commands that make the virtual environment and fill it, by uv where it is there, else by venv and pip."""
    python = os.path.join(venv, "bin", "python")
    uv = shutil.which(os.environ.get("JENKINS_MLFLOW_UV", "uv"))
    if uv:
        return [
            [uv, "venv", "--quiet", "--python", sys.executable, venv],
            [uv, "pip", "install", "--python", python],
        ]
    pip = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    return [[sys.executable, "-I", "-m", "venv", venv], pip]


def install(home: str, lock: int) -> None:
    """Build home/venv with exactly the pinned requirements, then mark it as ready."""
    venv = os.path.join(home, "venv")
    shutil.rmtree(venv, ignore_errors=True)
    create, fill = installer(venv)
    environ = dict(os.environ)
    for ours, theirs in (
        ("UV_INDEX_URL", "PIP_INDEX_URL"),
        ("UV_FIND_LINKS", "PIP_FIND_LINKS"),
        ("SSL_CERT_FILE", "PIP_CERT"),
    ):
        if theirs in environ:
            environ.setdefault(ours, environ[theirs])
    requirements = os.path.join(home, "src", "jenkins_mlflow", "agent", "requirements.txt")
    wheels = environ.get("JENKINS_MLFLOW_WHEELS")
    if wheels:  # an agent without any index
        fill = fill + ["--no-index", "--find-links", wheels]
    for command in (create, fill + ["--require-hashes", "--quiet", "-r", requirements]):
        # the lock is handed down: it stays taken as long as an installer that outlives us still writes
        if subprocess.call(command, stdout=sys.stderr, env=environ, pass_fds=(lock,)) != 0:
            raise Failure(
                "could not install the runner (%s); the log above says why. It needs python3 with its venv "
                "module, or uv, and a package index (PIP_INDEX_URL) or a folder of wheels (JENKINS_MLFLOW_WHEELS)"
                % " ".join(os.path.basename(word) for word in command[:3])
            )
    open(os.path.join(home, "ready"), "w").close()


def take_lock(path: str) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("another build is installing the runner, waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def forget_old(home: str) -> None:
    """Remove runners that no build has used for a day, but the latest ones: the library was updated since."""
    cache = os.path.dirname(home)
    used = []
    for name in os.listdir(cache):
        other = os.path.join(cache, name)
        marks = [os.path.join(other, mark) for mark in ("ready", "src")]
        times = [os.path.getmtime(mark) for mark in marks if os.path.exists(mark)]
        if KEY.match(name) and other != home and times:
            used.append((max(times), other))
    for when, other in sorted(used)[:-KEPT]:
        if when < time.time() - DAY:
            say(
                "removing an old runner, last used %s: %s"
                % (time.strftime("%Y-%m-%d", time.gmtime(when)), other)
            )
            shutil.rmtree(other, ignore_errors=True)


def bootstrap(bundle: str, home: str) -> None:
    if sys.version_info < OLDEST:
        raise Failure(
            "%s is Python %s, too old: install python3 3.10 or newer, or name one in JENKINS_MLFLOW_PYTHON"
            % (sys.executable or "python3", ".".join(map(str, sys.version_info[:2])))
        )
    with open(bundle, encoding="utf-8") as file:
        content = json.load(file)
    if content_key(content["files"]) != content["manifest"]["key"]:
        raise Failure(
            "the library's manifest.json is stale: run scripts/manifest.py where its sources were changed"
        )
    os.makedirs(home, exist_ok=True)
    lock = take_lock(home + ".lock")
    if not os.path.isdir(os.path.join(home, "src")):
        say("unpacking the runner to " + home)
        unpack(content["files"], home)
    ready = os.path.join(home, "ready")
    broken = not os.path.exists(os.path.join(home, "venv", "bin", "python"))
    if not os.environ.get("JENKINS_MLFLOW_RUNNER_PYTHON") and (broken or not os.path.exists(ready)):
        say("installing the runner's environment, once on this agent")
        install(home, lock)
        forget_old(home)
    os.close(lock)


def main() -> None:
    bundle, home = sys.argv[1:3]
    try:
        bootstrap(bundle, home)
    except (Failure, OSError) as error:
        message = str(error)
        if isinstance(error, OSError):
            message = "cannot install the runner: %s; JENKINS_MLFLOW_CACHE names another folder" % error
        say(message)
        print(
            json.dumps(
                {"schema": 1, "command": "install", "status": "error", "exit_code": 1, "message": message}
            )
        )
    finally:
        os.remove(bundle)


main()
