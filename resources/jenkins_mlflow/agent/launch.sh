#!/bin/sh
# Runs one request (JENKINS_MLFLOW_REQUEST) with the runner of this library version (JENKINS_MLFLOW_KEY). If it is not
# installed yet, installs it from JENKINS_MLFLOW_BUNDLE, or answers "cold" if that file has not arrived yet.
# An answer is one line that begins with JENKINS_MLFLOW_NONCE, so nothing else on standard output is taken for one.
set -eu
workspace=$PWD
bundle=$workspace/$JENKINS_MLFLOW_BUNDLE
cd / # a relative entry of the PATH must not lead to a program of the workspace

answer() {
    printf '%s %s\n' "$JENKINS_MLFLOW_NONCE" "$1"
    exit 0
}

# Reports why the runner cannot be installed, and leaves no bundle behind.
fail() {
    if [ -f "$bundle" ]; then rm -f "$bundle" || :; fi
    echo "jenkins-mlflow: $1" >&2
    answer "{\"schema\":1,\"command\":\"install\",\"status\":\"error\",\"exit_code\":1,\"message\":\"$1\"}"
}

printable() {
    printf '%s' "$1" | tr -cd '[:alnum:] ._/~-'
}

# The absolute path of a program; a relative path is relative to the workspace.
locate() {
    case $1 in
        /*) command -v "$1" ;;
        */*) command -v "$workspace/$1" ;;
        *) found=$(command -v "$1") && printf '/%s' "${found#/}" ;;
    esac
}

# The Python that installs the runner: the configured one, else python3, else one that uv finds or downloads.
find_python() {
    python=$(locate "${JENKINS_MLFLOW_PYTHON:-python3}") || python=
    if [ -n "${JENKINS_MLFLOW_PYTHON:-}" ] || [ -z "$uv" ]; then return; fi
    if [ -n "$python" ] && "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then return; fi
    found=$("$uv" --no-config python find --no-project '>=3.10' 2>/dev/null) || {
        "$uv" --no-config python install --quiet 3.12 >&2 &&
            found=$("$uv" --no-config python find --no-project 3.12)
    } || return 0
    python=$found
}

# Whether only this user and root can write to a folder.
is_private() {
    if [ ! -d "$1" ]; then return 0; fi
    # shellcheck disable=SC2012,SC2046 # stat is not portable; mode and owner come before the name
    set -- "$(id -u)" $(ls -ldn "$1/")
    case $4 in "$1" | 0) ;; *) return 1 ;; esac
    case $2 in ?????w* | ????????w*) return 1 ;; esac
}

cache=${JENKINS_MLFLOW_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/jenkins-mlflow}
home=$cache/$JENKINS_MLFLOW_KEY
case $cache in /*) ;; *) fail "the cache folder $(printable "$cache") is no absolute path: name another in JENKINS_MLFLOW_CACHE" ;; esac
for folder in "$cache" "$home"; do
    is_private "$folder" ||
        fail "the cache folder $(printable "$folder") is another user's, or others can write to it, so nothing in it is run: remove it, or name another in JENKINS_MLFLOW_CACHE"
done

if [ -n "${JENKINS_MLFLOW_RUNNER_PYTHON:-}" ]; then
    runner=$(locate "$JENKINS_MLFLOW_RUNNER_PYTHON") ||
        fail "JENKINS_MLFLOW_RUNNER_PYTHON: there is no $(printable "$JENKINS_MLFLOW_RUNNER_PYTHON") here"
    ready=$home/src
else
    ready=$home/ready
fi

# Whether a runner is installed; $ready contains the name of its environment. The runner checks itself when it starts.
installed() {
    [ -e "$ready" ] && [ -e "$home/src/__main__.py" ] || return 1
    if [ -z "${JENKINS_MLFLOW_RUNNER_PYTHON:-}" ]; then
        IFS= read -r name <"$ready" || return 1
        runner=$home/$name/bin/python
    fi
    command -v "$runner" >/dev/null
}

# The runner installs packages later, too: MLflow's client, when a command first opens a database or a folder.
uv=$(locate "${JENKINS_MLFLOW_UV:-uv}") || uv=
export JENKINS_MLFLOW_UV="$uv"
case ${JENKINS_MLFLOW_WHEELS:-} in
    '' | /*) ;;
    *) export JENKINS_MLFLOW_WHEELS="$workspace/$JENKINS_MLFLOW_WHEELS" ;;
esac

if [ -f "$bundle" ] || ! installed; then
    if [ ! -f "$bundle" ]; then answer '{"status":"cold"}'; fi
    find_python
    if [ -z "$python" ]; then
        fail "no $(printable "${JENKINS_MLFLOW_PYTHON:-python3}") on this agent: install python3 (3.10 or newer) or uv, or name one in JENKINS_MLFLOW_PYTHON"
    fi
    # The bundle was in the workspace: its key must match before anything in it is run.
    "$python" -I -c 'import hashlib, json, os, sys
bundle, key, home, uv = sys.argv[1:]
try:
    with open(bundle, encoding="utf-8") as file:
        files = json.load(file)["files"]
    digest = hashlib.sha256()
    for name in sorted(files):
        content = files[name].encode("utf-8")
        digest.update(("%s %d\n" % (name, len(content))).encode("utf-8") + content)
    if digest.hexdigest() != key:
        sys.exit(3)
except Exception:  # its content may be anything
    sys.exit(3)
finally:
    os.remove(bundle)
bootstrap = {}
exec(files["agent/bootstrap.py"], bootstrap)
bootstrap["main"](files, home, uv)' "$bundle" "$JENKINS_MLFLOW_KEY" "$home" "$uv" || {
        if [ $? = 3 ]; then
            fail "what was sent to this agent does not have the key of the library, so none of it was run: its manifest.json is stale (run scripts/manifest.py where its sources were changed), or something on the agent has changed it"
        fi
        exit 1
    }
    installed || exit 0 # bootstrap has printed a document with the reason
    JENKINS_MLFLOW_BUNDLE=
fi

touch "$ready" 2>/dev/null || : # records the last use; fails in a prepared image, which is read-only
cd "$workspace"

# -I: the workspace's own modules and PYTHONPATH are for the training and must not replace the runner's.
# A folder instead of a script in bin/: its path may be longer than a #! line allows.
exec "$runner" -I -X utf8 "$home/src"
