#!/usr/bin/env bash
# Lists the names that the code declares, and the places where private words stand.
#
#   tests/words.sh names      every declared name with the number of its declarations, most frequent first
#   tests/words.sh private    every line with a word of tests/private-words.txt; exits with 1 where there is one
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
  names)
    git grep -hoE '\b(fn|struct|enum|trait|type|const|static|mod|let|let mut) [A-Za-z_][A-Za-z0-9_]*' -- '*.rs' |
      awk '{ print $NF }' | sort | uniq -c | sort -rn
    ;;
  private)
    # The first column of the list is an extended regular expression, matched as a whole word.
    words=$(grep -vE '^(#|$)' tests/private-words.txt | cut -f 1 | paste -sd '|')
    ! git grep -nwiE "($words)" -- '*.rs' '*.md' '*.sh' '*.py' '*.sql' '*.html' '*.js' '*.toml' Makefile \
      ':!tests/private-words.txt'
    ;;
  *)
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
