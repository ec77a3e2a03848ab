"""Installs the runner on an agent: unpacks the library's sources and builds their virtual environment, once.

`venv.N` is enough for most commands that use HTTP. Each extra is a folder in it, which ``add_extra`` fills
when a
command first needs it: `stores` has MLflow's client and database drivers, `notify` has Apprise.

launch.sh calls it with the shipped files, whose key it has checked, and the folder to fill, which is named
after their content. `src` appears by one rename. `ready` names the environment; it is written last, when the
runner has started in it. A lock makes a second build wait. What a killed build left behind is built again.
Each start checks the installation and requests a new one if files are missing or the Python version differs
from that of the environment. A new environment gets a new folder, so a build that runs in the old one is not
disturbed. Nothing in the workspace has any influence: installers run in the runner's own folder and read no
configuration of a project or a user. Progress goes to standard error. A problem that a person must fix is
printed as a result document, with exit code 0. Every old python3 must be able to read this file, to report
that it is too old: no f-strings here.
"""

import fcntl
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
# The settings of pip and uv that say where packages come from; none of them changes what is installed.
SETTINGS = re.compile(
    "(PIP|UV)_(INDEX|DEFAULT_INDEX|EXTRA_INDEX|FIND_LINKS|NO_INDEX|OFFLINE|CERT|CLIENT_CERT|SYSTEM_CERTS|NATIVE_TLS"
    "|TRUSTED_HOST|INSECURE_HOST|PROXY|KEYRING_PROVIDER|CACHE_DIR|NO_CACHE|LINK_MODE"
    "|TIMEOUT|DEFAULT_TIMEOUT|HTTP_TIMEOUT|RETRIES)"
)
CHECK_EXTRA = (
    "import sys; sys.path.append(sys.argv[2]); sys.path.insert(0, sys.argv[1]); "
    "import jenkins_mlflow.agent.%s_ready"
)


class Failure(Exception):
    """What is wrong and how to fix it, in one line."""


def say(text: str) -> None:
    sys.stderr.write("jenkins-mlflow: " + text + "\n")
    sys.stderr.flush()


def unpack(files: "dict[str, str]", home: str) -> None:
    """Write the files that home/src lacks; if there is no home/src, create all of it by one rename."""
    src, partial = os.path.join(home, "src"), os.path.join(home, "src.partial")
    shutil.rmtree(partial, ignore_errors=True)
    folder = src if os.path.isdir(src) else partial
    texts = {"jenkins_mlflow/" + name: text for name, text in list(files.items())}
    texts.update({"__main__.py": files["agent/start.py"], "files": "\n".join(sorted(texts))})
    for name, text in list(texts.items()):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write(path, text)
    if folder == partial:
        os.rename(partial, src)


def write(path: str, text: str) -> None:
    """Write a file, complete or not at all."""
    with open(path + ".partial", "w", encoding="utf-8", newline="") as out:
        out.write(text)
    os.replace(path + ".partial", path)


def installer(venv: str, uv: str) -> "list[list[str]]":
    """The commands that create and fill the virtual environment: by uv if available, else by venv and pip."""
    python = os.path.join(venv, "bin", "python")
    if uv:
        return [
            [uv, "venv", "--no-config", "--no-project", "--quiet", "--python", sys.executable, venv],
            [uv, "pip", "install", "--no-config", "--python", python],
        ]
    pip = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    return [[sys.executable, "-I", "-m", "venv", venv], pip]


def installer_environment(home: str) -> "dict[str, str]":
    """The installers' environment: of their own settings, only those for the source of packages."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "UV_", "PYTHON")) or SETTINGS.match(name)
    }
    for ours, theirs in (
        ("UV_INDEX_URL", "PIP_INDEX_URL"),
        ("UV_FIND_LINKS", "PIP_FIND_LINKS"),
        ("SSL_CERT_FILE", "PIP_CERT"),
    ):
        if theirs in environ:
            environ.setdefault(ours, environ[theirs])
    # With its own file, pip leaves the user's alone: HOME is the workspace in many containers.
    environ["PIP_CONFIG_FILE"] = os.path.join(home, "pip.conf")
    open(environ["PIP_CONFIG_FILE"], "w").close()
    return environ


def run(command: "list[str]", home: str, lock: int) -> bool:
    # The installer inherits the lock, which stays taken even if the installer outlives this process.
    environ = installer_environment(home)
    return subprocess.call(command, stdout=sys.stderr, env=environ, cwd=home, pass_fds=(lock,)) == 0


def pinned(home: str, name: str) -> "list[str]":
    """The arguments after an installer's command: exactly the packages of a requirements file, by hash."""
    wheels = os.environ.get("JENKINS_MLFLOW_WHEELS")  # for agents without a package index
    where = ["--no-index", "--find-links", wheels] if wheels else []
    listed = os.path.join(home, "src", "jenkins_mlflow", "agent", name)
    return where + ["--require-hashes", "--quiet", "-r", listed]


def not_installed(what: str, command: "list[str]", needs: str) -> Failure:
    return Failure(
        "could not install %s (%s); the log above says why. It needs %sa package index (PIP_INDEX_URL) "
        "or a folder of wheels (JENKINS_MLFLOW_WHEELS)"
        % (what, " ".join(os.path.basename(word) for word in command[:3]), needs)
    )


def install(home: str, uv: str, lock: int) -> None:
    """Build an environment with exactly the pinned requirements, try it, then name it in home/ready."""
    name = "venv.%x" % time.time_ns()
    forget_environments(home)
    try:
        fill_environment(home, name, uv, lock)
    except Failure:
        shutil.rmtree(os.path.join(home, name), ignore_errors=True)
        raise
    write(os.path.join(home, "ready"), name + "\n")


def fill_environment(home: str, name: str, uv: str, lock: int) -> None:
    create, fill = installer(os.path.join(home, name), uv)
    for command in (create, fill + pinned(home, "requirements.txt")):
        if not run(command, home, lock):
            raise not_installed("the runner", command, "python3 with its venv module, or uv, and ")
    if not starts(home, name, lock):
        raise Failure(
            "the runner was installed in %s but does not start; the log above says what is missing. "
            "The next build installs it again" % home
        )


def forget_environments(home: str) -> None:
    """Remove the environments of earlier installations, unless a build still runs in one of them."""
    if not in_use(home):
        for old in os.listdir(home):
            if old.startswith("venv."):
                shutil.rmtree(os.path.join(home, old), ignore_errors=True)


def current(home: str) -> str:
    """The name of the environment in use; empty if there is none yet."""
    try:
        with open(os.path.join(home, "ready"), encoding="utf-8") as ready:
            return ready.readline().strip()
    except OSError:
        return ""


def starts(home: str, name: str, lock: int) -> bool:
    """Whether the runner starts in an environment; if not, the log says why."""
    python = os.path.join(home, name, "bin", "python")
    command = [python, "-I", os.path.join(home, "src"), "check"]
    return bool(name) and os.path.exists(python) and run(command, home, lock)


def add_extra(home: str, uv: str, name: str, title: str, needed_by: str) -> str:
    """Install an extra into a folder of the running environment, completely or not at all.

    Args:
        home: The runner's folder.
        uv: The path of uv; empty if uv is not installed.
        name: The name of the extra's requirements file, of its check and of its folder.
        title: Its name in messages.
        needed_by: The commands or features that need it.

    Returns:
        The folder, for the module search path.

    Raises:
        Failure: The extra cannot be installed.
    """
    venv = sys.prefix
    folder, partial = os.path.join(venv, name), os.path.join(venv, name + ".partial")
    if os.path.isdir(folder):
        return folder
    mask = os.umask(0o077)
    lock = take_lock(home + ".lock")
    try:
        if not os.path.isdir(folder):
            say("installing %s, which %s need, once on this agent" % (title, needed_by))
            shutil.rmtree(partial, ignore_errors=True)
            # Together with requirements.txt this list is complete, and no package must be installed twice.
            command = (
                installer(venv, uv)[1] + ["--no-deps", "--target", partial] + pinned(home, name + ".txt")
            )
            if not run(command, home, lock):
                raise not_installed(title, command, "")
            python, src = os.path.join(venv, "bin", "python"), os.path.join(home, "src")
            if not run([python, "-I", "-c", CHECK_EXTRA % name, src, partial], home, lock):
                raise Failure(
                    "%s was installed but does not start; the log above says what is missing" % title
                )
            os.rename(partial, folder)
    finally:
        os.close(lock)
        os.umask(mask)
    return folder


def take_lock(path: str) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("another build is installing the runner, waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def in_use(home: str) -> bool:
    """Whether a build is using this runner, however long ago that build started."""
    try:
        held = os.open(os.path.join(home, "src"), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(held)
    return False


def forget_old(home: str) -> None:
    """Remove runners of older library versions, except the latest, if no build has used them for a day."""
    cache = os.path.dirname(home)
    used = []
    for name in os.listdir(cache):
        other = os.path.join(cache, name)
        marks = [os.path.join(other, mark) for mark in ("ready", "src")]
        times = [os.path.getmtime(mark) for mark in marks if os.path.exists(mark)]
        if KEY.match(name) and other != home and times:
            used.append((max(times), other))
    for when, other in sorted(used)[:-KEPT]:
        if when < time.time() - DAY and not in_use(other):
            say(
                "removing an old runner, last used %s: %s"
                % (time.strftime("%Y-%m-%d", time.gmtime(when)), other)
            )
            shutil.rmtree(other, ignore_errors=True)


def bootstrap(files: "dict[str, str]", home: str, uv: str) -> None:
    if sys.version_info < OLDEST:
        raise Failure(
            "%s is Python %s, too old: install python3 3.10 or newer, or name one in JENKINS_MLFLOW_PYTHON"
            % (sys.executable or "python3", ".".join(map(str, sys.version_info[:2])))
        )
    os.makedirs(home, exist_ok=True)
    lock = take_lock(home + ".lock")
    if not os.path.isdir(os.path.join(home, "src")):
        say("unpacking the runner to " + home)
    unpack(files, home)
    name = current(home)
    if not os.environ.get("JENKINS_MLFLOW_RUNNER_PYTHON") and not starts(home, name, lock):
        if name:
            say("its environment lacks files, or was made by another Python, so it is made anew")
            os.remove(os.path.join(home, "ready"))
        else:
            say("installing the runner's environment, once on this agent")
        install(home, uv, lock)
        forget_old(home)
    os.close(lock)


def report_failure(message: str) -> None:
    """Say what keeps the runner from working, and print it as the command's answer."""
    say(message)
    document = {"schema": 1, "command": "install", "status": "error", "exit_code": 1, "message": message}
    print(os.environ["JENKINS_MLFLOW_NONCE"] + " " + json.dumps(document))


def main(files: "dict[str, str]", home: str, uv: str) -> None:
    """Install the runner, or print a document that says why it cannot be installed.

    Args:
        files: The library's files: text by name.
        home: The folder to fill.
        uv: The path of uv; empty if uv is not installed.
    """
    os.umask(0o077)  # the agent's own umask may let everybody write
    try:
        bootstrap(files, home, uv)
    except (Failure, OSError) as error:
        message = str(error)
        if isinstance(error, OSError):
            message = "cannot install the runner: %s; JENKINS_MLFLOW_CACHE names another folder" % error
        report_failure(message)
