#!/usr/bin/env bash
# Installs Java (a JDK >= 17) and Maven if they are missing; the Groovy tests need them.
set -euo pipefail

java_major() {
  java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p' | head -n 1
}

missing=()
major=$(java_major || true)
if ! command -v javac >/dev/null || [ "${major:-0}" -lt 17 ]; then
  missing+=(openjdk-17-jdk-headless)
fi
command -v mvn >/dev/null || missing+=(maven)
if [ ${#missing[@]} -gt 0 ]; then
  "$(dirname "$0")/apt-install.sh" "Java 17 or Maven" "${missing[@]}"
fi
