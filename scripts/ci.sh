#!/usr/bin/env bash
# Everything that must hold before a change lands. Green here means green in CI, since CI runs this.
# Installs the Debian packages, cargo tools and the npm package it lacks, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

step() { printf '\n== %s (after %d s)\n' "$1" "$SECONDS"; }

step "what this machine lacks"
# Real clients, trackers and a browser for the end-to-end tests, tools of the smoke test and the
# counts, and systemd's of the units.
debian aria2 chromium chromium-driver python3-libtorrent opentracker curl iproute2 util-linux \
  systemd valgrind
# Node may be here from elsewhere than Debian.
command -v npm >/dev/null || debian nodejs npm
# The version stands in src/tests/e2e/query/foreign.rs too, with which the test fails.
npm_tracker=bittorrent-tracker@11.2.3
if [[ ! -e target/npm/node_modules/bittorrent-tracker/server.js ]]; then
  echo "installing $npm_tracker"
  mkdir -p target/npm
  # Without its scripts, which would build WebRTC for a client that is not used.
  npm install --no-audit --no-fund --ignore-scripts --prefix target/npm "$npm_tracker"
fi
cargo_tool cargo-nextest 0.9.148
cargo_tool cargo-deny 0.20.2
cargo_tool cargo-shear 1.14.0

step "format"
cargo fmt --all --check

step "dependencies: none unused, all under licences that may be copied"
cargo shear
cargo deny --log-level warn check bans licenses sources
# What is known of their faults lies on the network, and may be out of reach.
if timeout 120 cargo deny --log-level error fetch db 2>/dev/null; then
  cargo deny --log-level warn check advisories
else
  echo "the data base of advisories is out of reach: not looked at"
fi

step "lints, as errors"
cargo clippy --locked --workspace --exclude wildkat-fuzz --all-targets -- -D warnings

step "documentation, warnings as errors"
# The documentation is the house's own, private rooms included, so links to them are fine.
RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --no-deps --document-private-items --quiet

step "tests"
cargo nextest run --locked --workspace --exclude wildkat-fuzz

step "benches, once each"
cargo test --locked --benches --quiet

step "the swarm store with loom and AddressSanitizer"
scripts/stress.sh

step "fuzz targets, a short round"
scripts/fuzz.sh 5

step "the static binary, in an empty root and as an operator first starts it"
scripts/release.sh

step "instructions of an answer, against the baseline"
scripts/instructions.sh

step "all green after $SECONDS s"
