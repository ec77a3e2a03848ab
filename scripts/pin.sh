#!/usr/bin/env bash
# Pins every requirements.in with hashes, for all platforms and Python >= 3.10. The runner's comes first; the others agree with it.
# Arguments go to uv: `scripts/pin.sh --upgrade` chooses newer versions.
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

agent=resources/jenkins_mlflow/agent
pin $agent/requirements
# An agent adds stores.txt and notify.txt to an environment that has requirements.txt, so they must not contain its packages again.
mapfile -t base < <(sed -nE 's/^([a-z0-9.-]+)==.*/--no-emit-package=\1/p' $agent/requirements.txt | sort -u)
pin $agent/stores -c $agent/requirements.txt "${base[@]}"
pin $agent/notify -c $agent/requirements.txt -c $agent/stores.txt "${base[@]}"
pin requirements -c $agent/requirements.txt -c $agent/stores.txt
pin requirements-dev -c $agent/requirements.txt -c $agent/stores.txt -c $agent/notify.txt -c requirements.txt
pin requirements-maintain -c requirements-dev.txt
pin docker/mlflow -c requirements.txt
pin scripts/uv
for server in tests/support/mlflow-*.in; do
  pin "${server%.in}"
done
