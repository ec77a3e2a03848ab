#!/usr/bin/env bash
# Installs Chromium and its driver if they are missing: the tests follow the notice for promotion by hand in a browser.
set -euo pipefail

missing=()
command -v chromium >/dev/null || missing+=(chromium fonts-liberation)
command -v chromedriver >/dev/null || missing+=(chromium-driver)
if [ ${#missing[@]} -gt 0 ]; then
  "$(dirname "$0")/apt-install.sh" "Chromium or its driver" "${missing[@]}"
fi
