#!/usr/bin/env bash
# The swarm store under more than the tests ask of it: every order in which threads can meet in the
# smallest tables (loom), its tests with AddressSanitizer, and its rules with Miri where that is.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== loom"
RUSTFLAGS="--cfg loom" cargo test --quiet --release --manifest-path fuzz/loom/Cargo.toml

echo "== tests of the store with AddressSanitizer"
# The compiler is the stable one, which is told to let sanitizers be asked for. With a target, so
# that what runs while building is built without them. As in fuzzing, a store has fewer parts: the
# tests make thousands of stores.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address --cfg fuzzing" cargo test --quiet --lib \
  --manifest-path fuzz/stress/Cargo.toml --target "$(rustc -vV | sed -n 's/^host: //p')" -- swarm::tests swarm::index

if cargo +nightly miri --version >/dev/null 2>&1; then
  echo "== rules of the tables with Miri"
  MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --manifest-path fuzz/stress/Cargo.toml \
    -- swarm::tests::rules swarm::index
else
  echo "no Miri: the tables were not run with it"
fi
