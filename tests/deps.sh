#!/usr/bin/env bash
# Looks for what building and testing needs, and installs what is missing.
set -euo pipefail

missing=()
command -v cargo >/dev/null || { echo "deps: cargo is missing: install Rust 1.95 or later (https://rustup.rs)" >&2; exit 1; }
command -v cc >/dev/null || missing+=(gcc libc6-dev)

if [ ${#missing[@]} -eq 0 ]; then
  echo "deps: nothing is missing"
elif [ "${DEPS:-}" = skip ]; then
  echo "deps: missing and left so, as DEPS=skip asks: ${missing[*]}" >&2
  exit 1
else
  echo "deps: installing ${missing[*]}"
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q
  $sudo apt-get install -y -q "${missing[@]}"
fi
