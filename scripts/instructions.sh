#!/usr/bin/env bash
# Counts the instructions of an answer of each kind with callgrind, and fails where they are more than
# five in a hundred above those in benches/instructions/baseline.txt. Counts repeat where times do not.
#
# usage: scripts/instructions.sh [--renew]
#
# --renew writes the counts down as the new baseline: for a change that is worth what it costs, and
# for a new compiler. Counts of another compiler than the baseline's are told and not judged.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

debian valgrind
baseline=benches/instructions/baseline.txt
program=$(scripts/musl.sh wildkat-instructions)/wildkat-instructions
compiler=$(rustc --version)

requests=1000
count() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no \
    --toggle-collect='*measured*' "$program" "$1" 2>&1 |
    sed -n "s/.*Collected : \([0-9]*\).*/\1/p" | awk -v n=$requests '{ printf "%d", $1 / n }'
}

counted=$(mktemp)
trap 'rm -f "$counted"' EXIT
for case in $("$program"); do echo "$case $(count "$case")" >>"$counted"; done

if [[ ${1:-} == --renew ]]; then
  { echo "# Instructions an answer, by scripts/instructions.sh --renew, with"; echo "# $compiler"
    cat "$counted"; } >"$baseline"
  cat "$baseline"
  exit
fi
known=$(sed -n '2s/^# //p' "$baseline")
is_judged=1
if [[ $known != "$compiler" ]]; then
  is_judged=0
  echo "the baseline is that of $known; told and not judged"
fi
awk -v judged=$is_judged '
  FNR == NR { if ($1 !~ /^#/) before[$1] = $2; next }
  {
    if ($2 == 0) { print $1 ": nothing was counted"; bad = 1; next }
    if (!($1 in before)) { print $1 ": " $2 ", not in the baseline"; bad = 1; next }
    change = ($2 / before[$1] - 1) * 100
    printf "%-22s %7d, %+.1f %%\n", $1, $2, change
    if (change > 5 && judged) bad = 1
  }
  END { if (bad) { print "more than 5 % above the baseline, or not counted: see above"; exit 1 } }
' "$baseline" "$counted"
