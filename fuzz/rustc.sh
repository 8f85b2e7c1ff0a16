#!/usr/bin/env bash
# Cargo runs this in place of the compiler for the crates of our own, while scripts/fuzz.sh builds:
# they report what they run to libFuzzer and have their memory watched; what they are built on does
# neither, and is that of the tests. The compiler is told to let sanitizers be asked for, and not to
# optimise across the parts in which it builds a crate, which would take three times as long.
export RUSTC_BOOTSTRAP=1
exec "$@" --cfg fuzzing -Zsanitizer=address -Copt-level=1 -Clto=off -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
