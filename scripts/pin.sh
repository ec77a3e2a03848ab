#!/usr/bin/env bash
# Pins every requirements.in with hashes, for all platforms and Python >= 3.10. The runner comes first: the others agree with it.
# Arguments go to uv: `scripts/pin.sh --upgrade` takes newer versions.
set -euo pipefail
cd "$(dirname "$0")/.."

more=("$@")
pin() {
  local name=$1
  shift
  uv pip compile --quiet --universal --generate-hashes --python-version 3.10 --no-header --no-emit-index-url \
    "${more[@]}" "$@" "$name.in" -o "$name.txt"
  sed -i.old "1i # Made by scripts/pin.sh from ${name##*/}.in: change that and run \`make pin\`." "$name.txt"
  rm "$name.txt.old"
}

runner=resources/jenkins_mlflow/agent/requirements
pin "$runner"
pin requirements -c "$runner.txt"
pin requirements-dev -c "$runner.txt" -c requirements.txt
pin docker/mlflow -c requirements.txt
pin scripts/uv
for server in tests/support/mlflow-*.in; do
  pin "${server%.in}"
done
