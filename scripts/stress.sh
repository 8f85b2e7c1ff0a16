#!/usr/bin/env bash
# The swarm store under more than the tests ask of it: every order in which threads can meet in the
# smallest tables (loom), and the stress tests with AddressSanitizer where a nightly compiler is.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== loom"
RUSTFLAGS="--cfg loom" cargo test --release --manifest-path fuzz/loom/Cargo.toml

if cargo +nightly miri --version >/dev/null 2>&1; then
  echo "== rules of the tables with Miri"
  MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --lib swarm::tests::rules
else
  echo "no Miri: the tables were not run with it"
fi

if cargo +nightly --version >/dev/null 2>&1; then
  echo "== stress tests with AddressSanitizer"
  RUSTFLAGS="-Zsanitizer=address" cargo +nightly test --lib --target x86_64-unknown-linux-gnu \
    --target-dir target/asan swarm::tests
else
  echo "no nightly compiler: the stress tests were not run with AddressSanitizer"
fi
