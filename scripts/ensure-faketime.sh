#!/usr/bin/env bash
# Makes sure that libfaketime is there: with it the tests give a process a wrong clock.
set -euo pipefail

if ! compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null; then
  "$(dirname "$0")/apt-install.sh" "libfaketime" libfaketime
fi
