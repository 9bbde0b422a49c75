#!/usr/bin/env bash
# Runs each fuzz target, or those named after the first argument, at most two at a time, for the number of seconds given as the argument (default: 600).
# The seeds are the fixtures and the conformance corpus. Failing inputs are written to fuzz/artifacts; add the minimised
# input as a fixture of the crate that it is about.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(document headers inflate live robots segment settings)
corpus=${CRAWL_CORPUS:-../shared/corpus}
cargo +nightly fuzz --version >/dev/null || {
  echo "fuzz: needs a nightly compiler and cargo-fuzz (cargo install cargo-fuzz)" >&2
  exit 1
}
[ -d "$corpus" ] || echo "fuzz: no conformance corpus at $corpus (CRAWL_CORPUS): only the fixtures are used as seeds" >&2

work=fuzz/corpus
mkdir -p "$work"/{document,headers,inflate,live,robots,segment,settings}
# Copies each seed to a file named by the hash of its content, and appends the bytes that choose limits and pieces.
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
  find "$folder" -type f -size -16k -name '*.xml' -print0 | seed segment '\x00\x01\x00\x01\x00'
  find "$folder" -type f -size -16k -path '*robots*' -print0 | seed robots ''
done

find fuzz/seeds -type f -print0 | while IFS= read -r -d '' file; do
  cp "$file" "$work/$(basename "$(dirname "$file")")/"
done

# Without a sanitizer: the crates under test have no unsafe code, and twice as many inputs run in the same time.
cargo +nightly fuzz build --sanitizer none
run() {
  local dict=()
  [ ! -f "fuzz/$1.dict" ] || dict=("-dict=fuzz/$1.dict")
  cargo +nightly fuzz run --sanitizer none "$1" "$work/$1" -- -max_total_time="$seconds" -max_len=16384 -timeout=20 \
    -print_final_stats=1 "${dict[@]}" > "fuzz/$1.log" 2>&1 && result=clean || result="failed, see fuzz/$1.log"
  echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "fuzz/$1.log") inputs in $seconds s: $result"
  [ "$result" = clean ]
}
failed=0
for ((n = 0; n < ${#targets[@]}; n += 2)); do
  run "${targets[n]}" & first=$!
  second=
  [ $((n + 1)) -ge ${#targets[@]} ] || { run "${targets[n + 1]}" & second=$!; }
  wait "$first" || failed=1
  [ -z "$second" ] || wait "$second" || failed=1
done
exit "$failed"
