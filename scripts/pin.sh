#!/usr/bin/env bash
# Pins every requirements.in with hashes, for all platforms and Python >= 3.10. The runner comes first: the others agree with it.
set -euo pipefail
cd "$(dirname "$0")/.."

pin() {
  echo "# Made by scripts/pin.sh from ${1##*/}: change that and run \`make pin\`." >"$2.new"
  uv pip compile --quiet --universal --generate-hashes --python-version 3.10 \
    --no-header --no-emit-index-url "${@:3}" "$1" >>"$2.new"
  mv "$2.new" "$2"
}

runner=resources/jenkins_mlflow/requirements
pin $runner.in $runner.txt "$@"
pin requirements.in requirements.txt -c $runner.txt "$@"
pin requirements-dev.in requirements-dev.txt -c $runner.txt -c requirements.txt "$@"
