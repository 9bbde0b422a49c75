#!/usr/bin/env bash
# Serves a news web of nineteen hosts on loopback, crawls it, and prints the report.
set -euo pipefail

target=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
"$target/fakesite" news --port 0 --latency-ms 40 --ca-out "$work/ca.pem" --port-out "$work/port" --seconds 600 &
fakesite=$!
trap 'kill $fakesite 2>/dev/null; wait $fakesite 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 600); do
  [ -s "$work/port" ] && break
  kill -0 $fakesite
  sleep 0.1
done
port=$(cat "$work/port")

data=${DEMO_DATA_DIR:-demo-data}
rm -rf "$data"
crawl=(--seeds seeds/news.txt --data-dir "$data" --rate 20 --timeout 3 --connect-to "::127.0.0.1:$port" --ca-cert "$work/ca.pem")
cat <<TEXT

Nineteen news sites are served on 127.0.0.1:$port. Two of them never answer. These are our own servers, so the crawl
sends each host 20 requests a second instead of one, and times out after 3 seconds instead of 30:

  crawl ${crawl[*]}

TEXT
"$target/crawl" "${crawl[@]}"
printf '\n  crawl report --data-dir %s\n\n' "$data"
"$target/crawl" report --data-dir "$data"
cat <<TEXT

The results are in $data. Next:

  $target/crawl export --data-dir $data --format jsonl | head -n 3
  $target/crawl report --data-dir $data --format json
TEXT
