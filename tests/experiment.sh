#!/usr/bin/env bash
# The experiment of docs/MEASURING.md: one crawler on three hosts without latency, on nineteen hosts with latency, and on
# nineteen hosts of which two hang. The server of the hosts runs on core 1.
set -euo pipefail

target=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
fakesite=
stop() {
  [ -z "$fakesite" ] || { kill "$fakesite" && wait "$fakesite"; } 2>/dev/null || true
  fakesite=
}
trap 'stop; rm -rf "$work"' EXIT

# Serves a web on core 1: serve KIND FLAGS...
serve() {
  stop
  rm -f "$work/port"
  printf '\n$ taskset -c 1 fakesite %s\n' "$*"
  taskset -c 1 "$target/fakesite" "$@" --ca-out "$work/ca.pem" --port-out "$work/port" --seconds 600 >/dev/null &
  fakesite=$!
  for _ in $(seq 600); do
    [ -s "$work/port" ] && return
    kill -0 "$fakesite"
    sleep 0.1
  done
}

# Crawls on CORES and prints the first LINES lines of the report: crawl CORES LINES FLAGS...
crawl() {
  local cores=$1 lines=$2
  shift 2
  rm -rf "$work/data"
  printf '\n$ taskset -c %s crawl %s\n$ crawl report\n' "$cores" "$*"
  taskset -c "$cores" "$target/crawl" "$@" --data-dir "$work/data" --quiet \
    --connect-to "::127.0.0.1:$(cat "$work/port")" --ca-cert "$work/ca.pem"
  # sed reads its input to the end; head would close the pipe while the report is being written.
  "$target/crawl" report --data-dir "$work/data" | sed -n "1,${lines}p"
}

three=(--seed site00000.test --seed site00001.test --seed site00002.test --rate 0 --host-concurrency 4)
printf '\n== 1. Three hosts, no latency, large documents ==\n'
serve plain --hosts 3 --sitemaps 12 --entries 50000
crawl 0 35 "${three[@]}"
printf '\n== 2. The same with a second core ==\n'
crawl 0,1 17 "${three[@]}"

nineteen=(--seeds seeds/news.txt --rate 0 --exclude '/archive\.xml')
printf '\n== 3. Nineteen hosts, 200 ms away ==\n'
serve news --no-hanging --latency-ms 200
crawl 0 35 "${nineteen[@]}"
printf '\n== 4. The same with a second core ==\n'
crawl 0,1 17 "${nineteen[@]}"
printf '\n== 5. The same, 100 ms away ==\n'
serve news --no-hanging --latency-ms 100
crawl 0 17 "${nineteen[@]}"

printf '\n== 6. The same as 3, and two of the hosts never answer ==\n'
serve news --latency-ms 200
crawl 0 60 "${nineteen[@]}"
printf '\n== 7. The same with a time-out of 5 s ==\n'
crawl 0 17 "${nineteen[@]}" --timeout 5
