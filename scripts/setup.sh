#!/usr/bin/env bash
# Sets up .venv with the jenkins-mlflow command and MLflow. If nothing has changed since the last time, returns at once.
# usage: setup.sh [dev|maintain]      dev: with everything for tests and checks; maintain: also for mutation tests and releases
# PYTHON=python3.12 chooses the interpreter of a new .venv; JENKINS_MLFLOW_UV=no does not use uv.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=requirements${1:+-$1}.txt

# The input of a set-up: the pinned packages, the package's own metadata and the location of the checkout.
fingerprint() {
  { pwd; cat "$1" pyproject.toml; } | cksum
}

is_current() {
  local stamp=.venv/.setup-$1
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint "$1")" ] && .venv/bin/python -c "" 2>/dev/null
}

# Each of these includes those after it.
for larger in requirements-maintain.txt requirements-dev.txt requirements.txt; do
  if is_current "$larger"; then exit 0; fi
  if [ "$larger" = "$requirements" ]; then break; fi
done

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      echo "$candidate"
      return 0
    fi
  done
  echo "Python 3.10 or newer is needed; ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1 || true)" >&2
  echo "Install one, then run again, with PYTHON=/path/to/python3 if it is not the default." >&2
  return 1
}

# Creates a virtual environment with Python's own tools; Debian has them in a separate package.
plain_venv() {
  if ! "$python" -c "import ensurepip, venv" 2>/dev/null; then
    scripts/apt-install.sh "Python's venv module" python3-venv >&2
  fi
  "$python" -m venv "$1"
}

# Prints the uv to use; fails if there is none.
find_uv() {
  if [ "${JENKINS_MLFLOW_UV:-}" = no ]; then return 1; fi
  local uv
  for uv in uv .tools/bin/uv; do
    if "$uv" --version >/dev/null 2>&1; then
      echo "$uv"
      return 0
    fi
  done
  { plain_venv .tools && .tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r scripts/uv.txt; } >/dev/null 2>&1 || return 1
  echo .tools/bin/uv
}

python=$(find_python)
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
  rm -rf .venv
fi

with_uv() {
  local uv
  uv=$(find_uv) || return 1
  echo "Setting up .venv with uv ..." >&2
  { [ -d .venv ] || "$uv" venv --quiet --python "$("$python" -c 'import sys; print(sys.executable)')" .venv; } &&
    VIRTUAL_ENV=$PWD/.venv "$uv" pip install --quiet --require-hashes -r "$requirements" &&
    VIRTUAL_ENV=$PWD/.venv "$uv" pip install --quiet --no-deps --no-build-isolation --editable .
}

with_pip() {
  echo "Setting up .venv with pip ..." >&2
  [ -d .venv ] || plain_venv .venv
  .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
  local pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
  "${pip[@]}" --require-hashes -r "$requirements"
  "${pip[@]}" --no-deps --no-build-isolation --editable .
}

started=$SECONDS
if ! with_uv; then # there is no uv, or it does not find the packages that pip's settings lead to
  with_pip
fi
fingerprint "$requirements" >".venv/.setup-$requirements"
echo "Done in $((SECONDS - started)) s: .venv/bin/jenkins-mlflow" >&2
