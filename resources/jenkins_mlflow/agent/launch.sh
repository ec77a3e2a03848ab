#!/bin/sh
# Runs one request (JENKINS_MLFLOW_REQUEST) with the runner of this library version (JENKINS_MLFLOW_KEY). Where it
# is not installed yet, installs it from JENKINS_MLFLOW_BUNDLE, or answers "cold" if that file has not come yet.
set -eu

fail() {
    echo "jenkins-mlflow: $1" >&2
    printf '{"schema":1,"command":"install","status":"error","exit_code":1,"message":"%s"}\n' "$1"
    exit 0
}

printable() {
    printf '%s' "$1" | tr -cd '[:alnum:] ._/~-'
}

# The Python that installs: the one that is named, else python3, else one that uv finds or brings.
find_python() {
    python=${JENKINS_MLFLOW_PYTHON:-python3}
    uv=${JENKINS_MLFLOW_UV:-uv}
    if [ -n "${JENKINS_MLFLOW_PYTHON:-}" ] || ! command -v "$uv" >/dev/null; then return; fi
    if python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then return; fi
    found=$("$uv" python find --no-project '>=3.10' 2>/dev/null) ||
        { "$uv" python install --quiet 3.12 >&2 && found=$("$uv" python find --no-project 3.12); } || return 0
    python=$found
}

home=${JENKINS_MLFLOW_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/jenkins-mlflow}/$JENKINS_MLFLOW_KEY
if [ -n "${JENKINS_MLFLOW_RUNNER_PYTHON:-}" ]; then
    runner=$JENKINS_MLFLOW_RUNNER_PYTHON
    command -v "$runner" >/dev/null || fail "JENKINS_MLFLOW_RUNNER_PYTHON: there is no $(printable "$runner") here"
    ready=$home/src
else
    runner=$home/venv/bin/python
    ready=$home/ready
fi

installed() {
    [ -e "$ready" ] && command -v "$runner" >/dev/null
}

if ! installed; then
    if [ ! -f "$JENKINS_MLFLOW_BUNDLE" ]; then
        echo '{"status":"cold"}'
        exit 0
    fi
    find_python
    command -v "$python" >/dev/null ||
        fail "no $(printable "$python") on this agent: install python3 (3.10 or newer) or uv, or name one in JENKINS_MLFLOW_PYTHON"
    "$python" -I -c 'import json, sys
exec(json.load(open(sys.argv[1], encoding="utf-8"))["files"]["agent/bootstrap.py"])' "$JENKINS_MLFLOW_BUNDLE" "$home"
    installed || exit 0 # bootstrap has printed a document that says why
fi

touch "$ready" 2>/dev/null || : # when it was last used; a ready image is read-only

# -I: the workspace's own modules and PYTHONPATH are for the training, they must not replace the runner's.
# A folder instead of a script in bin/: its path may be longer than a #! line can be.
exec "$runner" -I -X utf8 "$home/src"
