#!/usr/bin/env bash
# Everything that must hold before a change lands. Green here means green in CI, since CI runs this.
# Installs the Debian packages and cargo tools it lacks, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (after %d s)\n' "$1" "$SECONDS"; }

# Real clients for the end-to-end tests, and tools of the smoke test.
packages=(aria2 python3-libtorrent curl iproute2 util-linux)
missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if ((${#missing[@]})); then
  step "installing ${missing[*]}"
  as_root=()
  ((EUID)) && as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
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
