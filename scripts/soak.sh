#!/usr/bin/env bash
# Lets the released tracker live through clients of every sort, who break off their connections in
# the midst of everything, and fails unless it answers all who wait, and holds as much memory and as
# many descriptors afterwards as after the first tenth of the time. On each backend in turn.
#
# usage: scripts/soak.sh [SECONDS], for each backend; 600 without a word
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
# An allocator may hold so much more for a while; what leaks with each request grows far beyond.
grown_max_kb=4096

cargo build --locked --release
wire=$(cargo bench --locked --bench wire --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))/\1/p')
work=$(mktemp -d)
tracker=
trap 'test -z "$tracker" || kill "$tracker" 2>/dev/null || true; rm -rf "$work"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

fail() { echo "soak: $1"; tail -20 "$work/log"; exit 1; }
descriptors() { find "/proc/$tracker/fd" -mindepth 1 | wc -l; }
memory_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$tracker/status"; }
# soak SECONDS, then a pause in which the last connections are noticed to be gone.
soak() {
  "$wire" soak 127.0.0.1:17969 127.0.0.1:17969 127.0.0.1:17970 "$1" || fail "see above"
  sleep 3
}

for io in uring epoll; do
  target/release/wildkat serve --host=127.0.0.1 --udp-port=17969 --http-port=17969 --https-port=17970 \
    --cert="$work/cert.pem" --key="$work/key.pem" --web-http-port=0 --io=$io 2>"$work/log" &
  tracker=$!
  for ((i = 0; i < 100; i++)); do
    if grep -qs ready "$work/log"; then break; fi
    kill -0 "$tracker" || fail "it ended"
    sleep 0.1
  done
  soak $((seconds / 10 + 1))
  before=$(memory_kb) before_open=$(descriptors)
  soak $((seconds * 9 / 10))
  after=$(memory_kb) after_open=$(descriptors)
  echo "$io: memory $before kB, then $after kB; descriptors $before_open, then $after_open"
  ((after_open == before_open)) || fail "descriptors were not given back"
  ((after <= before + grown_max_kb)) || fail "memory was not given back"
  kill -TERM "$tracker"
  wait "$tracker" || fail "it did not end with 0"
  tracker=
done
