#!/usr/bin/env bash
# Runs each fuzz target in turn, with AddressSanitizer.
#
# usage: scripts/fuzz.sh SECONDS [TARGET...]
#
# What a run learns is kept in target/fuzz/corpus, out of git. A crash stops everything and leaves
# its input in target/fuzz/artifacts; once it is understood, that file belongs in fuzz/corpus/TARGET, where
# the tests replay it (src/tests/corpus.rs).
set -euo pipefail
cd "$(dirname "$0")/.."

usage="usage: scripts/fuzz.sh SECONDS [TARGET...], SECONDS for each target, at least 1"
seconds=${1:?$usage}
shift
# libFuzzer takes 0 for "without end".
[[ $seconds -ge 1 ]] || { echo "$usage" >&2; exit 2; }

RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/rustc.sh CARGO_INCREMENTAL=0 \
  cargo build --locked --package wildkat-fuzz --bins

all=(fuzz/fuzz_targets/*.rs)
(($#)) || set -- $(basename --suffix=.rs "${all[@]}")
for name in "$@"; do
  learnt=target/fuzz/corpus/$name
  mkdir -p "$learnt" "target/fuzz/artifacts/$name"
  "target/debug/$name" "$learnt" "fuzz/corpus/$name" \
    -artifact_prefix="target/fuzz/artifacts/$name/" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 2>"$learnt.log" ||
    { tail -40 "$learnt.log"; echo "$name failed: target/fuzz/artifacts/$name"; exit 1; }
  echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$learnt.log") runs," \
    "$(grep -o 'cov: [0-9]*' "$learnt.log" | tail -1)"
done
