#!/usr/bin/env bash
# Installs Debian packages if that needs no question: as root on Debian or Ubuntu. Elsewhere it fails with a message.
# usage: apt-install.sh WHAT-FOR PACKAGE...
set -euo pipefail
what=$1
shift

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "$what is missing. Install it, on Debian and Ubuntu with: sudo apt-get install $*" >&2
  exit 1
fi
echo "$what is missing: installing $*" >&2
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null; } </dev/null >&2 || {
  echo "apt-get could not install $*. Install $what in another way and try again." >&2
  exit 1
}
