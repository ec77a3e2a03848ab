#!/usr/bin/env bash
# Makes sure that Chromium and its driver are there: a browser follows the notice that tells a person how to promote by hand.
set -euo pipefail

missing=()
command -v chromium >/dev/null || missing+=(chromium fonts-liberation)
command -v chromedriver >/dev/null || missing+=(chromium-driver)
if [ ${#missing[@]} -gt 0 ]; then
  "$(dirname "$0")/apt-install.sh" "Chromium or its driver" "${missing[@]}"
fi
