#!/usr/bin/env bash
# The tracker beside its peers and beside the kernel's own floor, in one run; prints one table in
# Markdown, which belongs in docs/benchmarks.md.
#
# usage: scripts/bench.sh [ROUNDS [SECONDS]]
#
# SECONDS is a multiple of five, in which aquatic's load tester counts. It has three times as long,
# since it goes on for ever unless told otherwise, and its first five seconds are about how fast an
# empty tracker takes in peers.
#
# Tracker and load have a core each. All contenders of a table take turns, each round in another
# order, and each figure is the median of the rounds. What else a machine does changes from one
# minute to the next, so only ratios mean anything: each is the median of those of the rounds, and
# the quarters of them below and above are told too.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
seconds=${2:-5}
((seconds % 5 == 0)) || { echo "$0: SECONDS is a multiple of five, not $seconds" >&2; exit 2; }
udp_seconds=$((3 * seconds))
port=17969
peers=${XDG_CACHE_HOME:-$HOME/.cache}/wildkat/peers

command -v wrk >/dev/null || { apt-get update -qq && apt-get install -y -qq wrk; }
install() { test -x "$peers/bin/$1" || cargo install "$@" --version 0.9.0 --locked --root "$peers"; }
# Without its metrics, a crate for which this compiler refuses.
install aquatic_udp --no-default-features --features mimalloc
install aquatic_udp_load_test
cargo build --locked --release
wire=$(cargo bench --locked --bench wire --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))/\1/p')
wildkat=target/release/wildkat

work=$(mktemp -d)
tracker=
trap 'test -z "$tracker" || kill "$tracker" 2>/dev/null; rm -rf "$work"' EXIT

for kind in rsa ec; do
  case $kind in
    rsa) new=(rsa:2048) ;;
    ec) new=(ec -pkeyopt ec_paramgen_curve:prime256v1) ;;
  esac
  openssl req -x509 -newkey "${new[@]}" -nodes -days 2 -subj /CN=localhost \
    -keyout "$work/$kind.key" -out "$work/$kind.crt" 2>/dev/null
done

cat >"$work/load.toml" <<END
server_address = "127.0.0.1:$port"
extra_statistics = false
workers = 1
duration = $udp_seconds
END
cat >"$work/aquatic.toml" <<END
socket_workers = 1
log_level = "error"
[network]
address = "127.0.0.1:$port"
END
# Announces of 60,000 peers in 1,000 torrents. KEEP says whether connections are kept.
cat >"$work/announce.lua" <<'END'
local number = 0
local connection = os.getenv("KEEP") == "1" and "keep-alive" or "close"
function request()
  number = number + 1
  local path = string.format(
    "/announce?info_hash=%020d&peer_id=-qB5000-abcdefghijkl&port=%d&uploaded=0&downloaded=0" ..
    "&left=%d&compact=1&numwant=50", number * 7919 % 1000, 1024 + number % 60000, number % 2)
  return wrk.format("GET", path, {["Connection"] = connection})
end
END

# start COMMAND...: on the first core.
start() {
  taskset -c 0 "$@" >"$work/log" 2>&1 &
  tracker=$!
  sleep 0.7
  kill -0 "$tracker" 2>/dev/null || { cat "$work/log"; exit 1; }
}
stop() {
  kill "$tracker" 2>/dev/null || true
  wait "$tracker" 2>/dev/null || true
  tracker=
  sleep 0.2
}
serve() {
  start "$wildkat" serve --host=127.0.0.1 --workers=1 --web-http-port=0 "$@"
}
# Processor time of the tracker so far, in microseconds.
processor() { awk -v tick="$(getconf CLK_TCK)" '{ printf "%d", ($14 + $15) * 1000000 / tick }' "/proc/$tracker/stat"; }

note() { echo "$2" >>"$work/$1"; }
median() { sort -g "$work/$1" | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
# ratio A B: the median of A ÷ B in each round, and its quartiles.
ratio() {
  paste -d' ' "$work/$1" "$work/$2" | awk '{ print $1 / $2 }' | sort -g | awk '
    { v[NR] = $1 }
    function at(share, place) { place = 1 + (NR - 1) * share; low = int(place); return v[low] + (place - low) * (v[low < NR ? low + 1 : low] - v[low]) }
    END { printf "%.3f | %.3f to %.3f", at(0.5), at(0.25), at(0.75) }'
}
# turned N WORD...: the words, from the one at place N on.
turned() { local by=$(($1 % ($# - 1))); shift; echo "${@:by + 1}" "${@:1:by}"; }
field() { tr ' ' '\n' | sed -n "s/^$1=//p"; }

udp_contender() {
  case $1 in
    uring | epoll) serve --http-port=0 --udp-port="$port" --io="$1" ;;
    floor-mmsg) start "$wire" floor-udp-mmsg "$port" ;;
    floor-uring) start "$wire" floor-udp-uring "$port" ;;
    aquatic) start "$peers/bin/aquatic_udp" -c "$work/aquatic.toml" ;;
  esac
}
udp_round() {
  local name=$1 before rate
  udp_contender "$name"
  before=$(processor)
  taskset -c 1 "$peers/bin/aquatic_udp_load_test" -c "$work/load.toml" >"$work/out" 2>&1
  rate=$(awk '/responses per second/ { rate = $NF } END { printf "%d", rate }' "$work/out")
  note "$name.rate" "$rate"
  note "$name.cpu" "$(awk -v c=$(($(processor) - before)) -v n="$((rate * udp_seconds))" 'BEGIN { printf "%.2f", c / n }')"
  if [[ $name != floor-* ]]; then
    taskset -c 1 "$wire" udp "127.0.0.1:$port" 100000 8 >"$work/out"
    for what in p50 p99 p99.9 peers lost; do note "$name.$what" "$(field "$what" <"$work/out")"; done
  fi
  stop
}

http_contender() {
  case $1 in
    *-floor) start "$wire" floor-http "$port" ;;
    https-*) serve --udp-port=0 --http-port=0 --https-port="$port" --io="${1##*-}" \
      --cert "$work/rsa.crt" --key "$work/rsa.key" ;;
    *) serve --udp-port=0 --http-port="$port" --io="${1##*-}" ;;
  esac
}
http_round() {
  local name=$1 before scheme=http
  http_contender "$name"
  [[ $name == https-* ]] && scheme=https
  before=$(processor)
  KEEP=$([[ $name == *close* ]] || echo 1) taskset -c 1 wrk -t1 -c64 -d"${seconds}s" -s "$work/announce.lua" \
    "$scheme://127.0.0.1:$port" >"$work/out"
  if grep -q "Non-2xx" "$work/out"; then cat "$work/out"; exit 1; fi
  note "$name.rate" "$(awk '/Requests\/sec/ { printf "%d", $2 }' "$work/out")"
  note "$name.cpu" "$(awk -v c=$(($(processor) - before)) '/requests in/ { printf "%.2f", c / $1 }' "$work/out")"
  stop
}

tls_round() {
  local kind=$1 how=$2 count=2000 before
  serve --udp-port=0 --http-port=0 --https-port="$port" --cert "$work/$kind.crt" --key "$work/$kind.key"
  before=$(processor)
  taskset -c 1 "$wire" tls "127.0.0.1:$port" $count "$how" >"$work/out"
  note "tls-$kind-$how.cpu" "$((($(processor) - before) / count))"
  note "tls-$kind-$how.resumed" "$(field resumed <"$work/out")"
  stop
}

# Those that are held against each other are neighbours: a machine changes little in between.
udp=(floor-mmsg uring aquatic epoll floor-uring)
http=(keep-uring keep-epoll keep-floor close-uring close-epoll close-floor https-keep-uring https-keep-epoll)
for ((round = 1; round <= rounds; round++)); do
  echo "round $round of $rounds" >&2
  for name in $(turned "$round" "${udp[@]}"); do udp_round "$name"; done
  for name in $(turned "$round" "${http[@]}"); do http_round "$name"; done
  for kind in rsa ec; do for how in new resumed; do tls_round $kind $how; done; done
done

echo "$(date -u +%F), Linux $(uname -r), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores;"
echo "medians of $rounds rounds of $udp_seconds s over UDP and $seconds s over TCP, tracker and load on a core each."
echo
echo "| UDP | responses/s | CPU µs a response | p50 µs | p99 | p99.9 | peers a reply | lost of 100,000 |"
echo "|---|---|---|---|---|---|---|---|"
for name in "${udp[@]}"; do
  row="| $name | $(median "$name.rate") | $(median "$name.cpu")"
  for what in p50 p99 p99.9 peers lost; do
    if [[ -e $work/$name.$what ]]; then row+=" | $(median "$name.$what")"; else row+=" | "; fi
  done
  echo "$row |"
done
echo
echo "| HTTP | requests/s | CPU µs a request |"
echo "|---|---|---|"
for name in "${http[@]}"; do echo "| $name | $(median "$name.rate") | $(median "$name.cpu") |"; done
echo
echo "| HTTPS, a connection for each announce | CPU µs | of 2,000 resumed |"
echo "|---|---|---|"
for kind in rsa ec; do for how in new resumed; do
  echo "| $kind, $how | $(median tls-$kind-$how.cpu) | $(median tls-$kind-$how.resumed) |"
done; done
cat <<END

| ratio | median | half of the rounds | bar |
|---|---|---|---|
| UDP responses/s, io_uring ÷ aquatic_udp | $(ratio uring.rate aquatic.rate) | ≥ 1.15 |
| UDP responses/s, io_uring ÷ floor of recvmmsg and sendmmsg | $(ratio uring.rate floor-mmsg.rate) | ≥ 0.95 |
| UDP responses/s, epoll ÷ io_uring | $(ratio epoll.rate uring.rate) | ≥ 0.60 |
| HTTP keep-alive, CPU ÷ floor of epoll | $(ratio keep-uring.cpu keep-floor.cpu) | ≤ 2.0 |
| HTTP close, CPU ÷ floor of epoll | $(ratio close-uring.cpu close-floor.cpu) | ≤ 1.6 |
| HTTPS keep-alive ÷ HTTP keep-alive, CPU | $(ratio https-keep-uring.cpu keep-uring.cpu) | ≤ 1.8 |
| HTTPS with a ticket ÷ without, RSA-2048, CPU | $(ratio tls-rsa-resumed.cpu tls-rsa-new.cpu) | ≤ 0.5 |
| HTTPS with a ticket ÷ without, ECDSA P-256, CPU | $(ratio tls-ec-resumed.cpu tls-ec-new.cpu) | told |
END
