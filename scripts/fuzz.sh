#!/bin/sh
# Runs each fuzz target in turn: scripts/fuzz.sh SECONDS [TARGET...]
#
# What a run learns is kept in fuzz/target/corpus, out of git. A crash stops everything and leaves
# its input in fuzz/artifacts; once it is understood, that file belongs in fuzz/corpus/TARGET, where
# the tests replay it (src/tests/corpus.rs).
set -eu

usage="usage: scripts/fuzz.sh SECONDS [TARGET...], SECONDS for each target, at least 1"
seconds=${1:?$usage}
shift
# libFuzzer takes 0 for "without end".
test "$seconds" -ge 1 || { echo "$usage" >&2; exit 2; }
cd "$(dirname "$0")/.."

cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked

# Sanitizers need a nightly compiler, or a stable one that is told to act as one.
if cargo +nightly --version >/dev/null 2>&1; then
    toolchain=+nightly
else
    toolchain=
    export RUSTC_BOOTSTRAP=1
fi

test $# -gt 0 || set -- $(cargo $toolchain fuzz list)
for target in "$@"; do
    echo "== $target, $seconds s"
    learnt=fuzz/target/corpus/$target
    mkdir -p "$learnt"
    cargo $toolchain fuzz run "$target" "$learnt" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
        -print_final_stats=1
done
