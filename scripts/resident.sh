#!/usr/bin/env bash
# What a running tracker weighs a peer, fed over UDP; see benches/resident.rs. Takes about four minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release
cargo bench --locked --bench resident --no-run
# A network that is its own, so that addresses can be added to it.
unshare --map-root-user --net bash -euc '
  ip link set lo up
  for ((i = 1; i <= 16; i++)); do ip -6 addr add "fd00:77::$(printf %x "$i")/128" dev lo nodad; done
  cargo bench --locked --offline --quiet --bench resident'
