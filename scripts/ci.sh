#!/usr/bin/env bash
# Everything that must hold before a change lands. Green here means green in CI, since CI runs this.
# Installs the Debian packages, cargo tools and the npm package it lacks, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (after %d s)\n' "$1" "$SECONDS"; }

# Real clients, trackers and a browser for the end-to-end tests, and tools of the smoke test.
packages=(aria2 chromium chromium-driver python3-libtorrent opentracker nodejs npm curl iproute2
  util-linux)
missing=()
for package in "${packages[@]}"; do
  # Node may have come with npm, and from elsewhere.
  [[ $package =~ ^(nodejs|npm)$ ]] && command -v npm >/dev/null && continue
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if ((${#missing[@]})); then
  step "installing ${missing[*]}"
  as_root=()
  ((EUID)) && as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
# The version stands in src/tests/e2e/query/foreign.rs too, with which the test fails.
npm_tracker=bittorrent-tracker@11.2.3
if [[ ! -e target/npm/node_modules/bittorrent-tracker/server.js ]]; then
  step "installing $npm_tracker"
  mkdir -p target/npm
  # Without its scripts, which would build WebRTC for a client that is not used.
  npm install --no-audit --no-fund --ignore-scripts --prefix target/npm "$npm_tracker"
fi
if ! command -v cargo-nextest >/dev/null && ! cargo nextest --version >/dev/null 2>&1; then
  step "installing cargo-nextest"
  cargo install cargo-nextest --locked
fi

step "format"
cargo fmt --check

step "lints, as errors"
cargo clippy --locked --all-targets -- -D warnings

step "documentation, warnings as errors"
# The documentation is the house's own, private rooms included, so links to them are fine.
RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --no-deps --document-private-items --quiet

step "benches, once each"
cargo test --locked --benches --quiet

step "release build"
cargo build --locked --release

step "smoke test of the release build"
scripts/smoke.sh target/release/wildkat

step "tests"
cargo nextest run --locked
echo "all green after $SECONDS s"
