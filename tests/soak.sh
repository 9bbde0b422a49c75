#!/usr/bin/env bash
# The long forms of the tests: all hostile hosts at once for SOAK_MINUTES (default 10), each fuzz target for as long, many
# kills at every kind of moment, many flipped bytes, four workers on 2,000 hosts, thirty shared crawls with injected
# faults, 5,000 hosts that wait for one other, and a virtual week of 10,000 simulated hosts. At the end it prints a table of
# what ran, for how long, how often, and the result.
# SOAK_ONLY names the rows to run, as in SOAK_ONLY="hostile fuzz".
set -uo pipefail
cd "$(dirname "$0")/.."
minutes=${SOAK_MINUTES:-10}
only=${SOAK_ONLY:-hostile fuzz kills shared week}
logs=target/soak
mkdir -p "$logs"
rows=()
failed=0

# row WHAT SECONDS COUNT RESULT
row() {
  rows+=("$(printf '| %-28s | %6s s | %-44s | %s |' "$1" "$2" "$3" "$4")")
  [ "$4" = clean ] || failed=1
}

# Prints the number after the last "NAME=" of a log: figure NAME LOG
figure() { sed -n "s/.*$1=\([0-9]*\).*/\1/p" "$2" | tail -n 1; }

if [[ " $only " = *" hostile "* ]]; then
  started=$SECONDS
  SOAK_MINUTES=$minutes cargo test --release -p crawler --test main -- --nocapture --exact \
    end_to_end::bounds::everything_hostile_again_and_again_changes_nothing > "$logs/hostile.log" 2>&1 &&
    result=clean || result="failed, see $logs/hostile.log"
  log=$logs/hostile.log
  row "everything hostile at once" $((SECONDS - started)) \
    "$(figure rounds "$log") rounds, $(figure requests "$log") requests, peak $(figure peak_mib "$log") MiB" "$result"
fi

if [[ " $only " = *" fuzz "* ]]; then
  fuzz/run.sh $((minutes * 60)) > "$logs/fuzz.log" 2>&1 || true
  for target in document headers inflate live robots segment settings; do
    line=$(grep "^$target: " "$logs/fuzz.log" || echo "$target: 0 inputs in 0 s: did not run, see $logs/fuzz.log")
    row "fuzz $target" "$(sed 's/.* inputs in \([0-9]*\) s.*/\1/' <<< "$line")" \
      "$(sed 's/.*: \([0-9]*\) inputs in .*/\1 inputs/' <<< "$line")" "${line##* s: }"
  done
fi

if [[ " $only " = *" week "* ]]; then
  started=$SECONDS
  log=$logs/week.log
  SIMULATED_HOSTS=10000 cargo test --release -p crawler --lib -- --nocapture --exact \
    simulation::tests::a_crawl_of_many_hosts_is_polite_and_loses_nothing > "$log" 2>&1 &&
    result=clean || result="failed, see $log"
  row "virtual week of 10,000 hosts" $((SECONDS - started)) \
    "$(figure requests "$log") requests, $(figure virtual_days "$log") days, $(figure kills "$log") kills" "$result"
fi

tests=()
[[ " $only " = *" kills "* ]] && tests+=(resume damage)
[[ " $only " = *" shared "* ]] && tests+=(shared redirected_robots)
if [ "${#tests[@]}" -gt 0 ]; then
  for test in "${tests[@]}"; do
    started=$SECONDS
    KILL_ROUNDS=${KILL_ROUNDS:-200} FLIPS=${FLIPS:-700} SHARED_HOSTS=${SHARED_HOSTS:-2000} \
      REDIRECTED_HOSTS=${REDIRECTED_HOSTS:-5000} INDEX_CHILDREN=${INDEX_CHILDREN:-50000} SHARED_ROUNDS=${SHARED_ROUNDS:-30} cargo test --release -p crawler --test main -- \
      --nocapture --test-threads=1 "end_to_end::$test" > "$logs/$test.log" 2>&1 &&
      result=clean || result="failed, see $logs/$test.log"
    passed=$(sed -n 's/^test result: [a-zA-Z]*\. \([0-9]* passed; [0-9]* failed\).*/\1/p' "$logs/$test.log" | tail -n 1)
    rounds=$(figure rounds "$logs/$test.log")
    row "$test" $((SECONDS - started)) "$passed${rounds:+; $rounds rounds}" "$result"
  done
fi

printf '\n| %-28s | %8s | %-44s | %s |\n| --- | --- | --- | --- |\n' what time count result
printf '%s\n' "${rows[@]}"
exit "$failed"
