#!/usr/bin/env bash
# Runs each fuzz target for so many seconds (default: 600), two at a time, from the fixtures and the conformance corpus.
# What it finds lies in fuzz/artifacts; the minimised input becomes a fixture of the room it is about.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
corpus=${CRAWL_CORPUS:-../shared/corpus}
cargo +nightly fuzz --version >/dev/null || {
  echo "fuzz: needs a nightly compiler and cargo-fuzz (cargo install cargo-fuzz)" >&2
  exit 1
}
[ -d "$corpus" ] || echo "fuzz: no conformance corpus at $corpus (CRAWL_CORPUS): fixtures alone are the seeds" >&2

work=fuzz/corpus
mkdir -p "$work"/{document,inflate,robots}
# Each seed under the hash of its content; two bytes more choose ceilings and pieces.
seed() {
  local target=$1 tail=$2 file name
  while IFS= read -r -d '' file; do
    name=$(sha256sum "$file" | cut -c1-16)
    { cat "$file"; printf '%b' "$tail"; } > "$work/$target/$name"
  done
}
for folder in sitemap/tests/fixtures "$corpus"; do
  [ -d "$folder" ] || continue
  find "$folder" -type f -size -16k ! -name '*.md' ! -name '*.json*' -print0 | seed document '\x00\x40'
  find "$folder" -type f -size -16k -name '*gz*' -print0 | seed inflate '\x40'
  find "$folder" -type f -size -16k -path '*robots*' -print0 | seed robots ''
done

# Without a sanitizer: the rooms under test have no unsafe code, and twice as many inputs are tried.
cargo +nightly fuzz build --sanitizer none
run() {
  local dict=()
  [ ! -f "fuzz/$1.dict" ] || dict=("-dict=fuzz/$1.dict")
  cargo +nightly fuzz run --sanitizer none "$1" "$work/$1" -- -max_total_time="$seconds" -max_len=16384 -timeout=20 \
    -print_final_stats=1 "${dict[@]}" > "fuzz/$1.log" 2>&1 && result=clean || result="a finding, see fuzz/$1.log"
  echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "fuzz/$1.log") runs in $seconds s: $result"
  [ "$result" = clean ]
}
failed=0
run document & first=$!
run inflate & second=$!
wait "$first" || failed=1
wait "$second" || failed=1
run robots || failed=1
exit "$failed"
