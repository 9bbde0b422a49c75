#!/usr/bin/env bash
# Checks for everything that the build and the tests need, and installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v cargo >/dev/null || { echo "deps: cargo is missing: install Rust 1.95 or later (https://rustup.rs)" >&2; exit 1; }
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql) # for the tests of shared crawls
command -v chromium >/dev/null || missing+=(chromium) # for the tests of the HTML report

# Other readers of sealed segments, and an S3 server for the tests of shared crawls. They go to target/python.
python=target/python/bin/python
readers=(duckdb polars pandas pyarrow "moto[server]")
need_readers=
"$python" -c "import boto3, duckdb, moto.server, polars, pandas, pyarrow" 2>/dev/null || need_readers=yes
if [ -n "$need_readers" ] && ! python3 -c "import ensurepip, venv" 2>/dev/null; then
  missing+=(python3-venv)
fi

if [ ${#missing[@]} -eq 0 ] && [ -z "$need_readers" ]; then
  echo "deps: nothing is missing"
elif [ "${DEPS:-}" = skip ]; then
  echo "deps: missing, but not installed because of DEPS=skip: ${missing[*]} ${need_readers:+${readers[*]}}" >&2
  [ ${#missing[@]} -eq 0 ] || exit 1
elif [ ${#missing[@]} -gt 0 ]; then
  echo "deps: installing ${missing[*]}"
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q
  $sudo apt-get install -y -q "${missing[@]}"
fi

if [ -n "$need_readers" ] && [ "${DEPS:-}" != skip ]; then
  echo "deps: installing ${readers[*]} in target/python"
  python3 -m venv target/python
  "$python" -m pip install --quiet --disable-pip-version-check "${readers[@]}"
fi
