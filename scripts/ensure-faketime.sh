#!/usr/bin/env bash
# Installs libfaketime if it is missing: the tests use it to give a process a wrong clock.
set -euo pipefail

if ! compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null; then
  "$(dirname "$0")/apt-install.sh" "libfaketime" libfaketime
fi
