#!/usr/bin/env bash
# Starts a built wildkat as an operator first does, `wildkat serve` and nothing else, as an ordinary
# user in a network namespace of its own, and asks it over UDP, HTTP and the web.
#
# usage: smoke.sh path/to/wildkat
set -euo pipefail
wildkat=$(realpath "${1:?usage: smoke.sh path/to/wildkat}")

if [[ ${WILDKAT_SMOKE_INSIDE:-} != 1 ]]; then
  # Root makes the namespace; anybody else makes one in which they are root.
  if ((EUID == 0)); then new=(unshare --net); else new=(unshare --net --map-root-user); fi
  WILDKAT_SMOKE_INSIDE=1 exec "${new[@]}" "$0" "$wildkat"
fi

ip link set lo up
folder=$(mktemp -d)
cp "$wildkat" "$folder/wildkat"
chmod 755 "$folder" "$folder/wildkat"
# Nobody: no capability, no home, no right to ports below 1024.
if [[ $(cat /proc/self/uid_map | awk '{print $3}') -gt 1 ]]; then
  nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all)
else
  nobody=(setpriv --inh-caps=-all --bounding-set=-all)
fi
"${nobody[@]}" "$folder/wildkat" serve 2>"$folder/log" &
pid=$!
trap 'kill -9 $pid 2>/dev/null || true; rm -rf "$folder"' EXIT

fail() {
  echo "smoke test failed: $1"
  cat "$folder/log"
  exit 1
}
for ((i = 0; i < 100; i++)); do
  grep -q ready "$folder/log" && break
  kill -0 $pid 2>/dev/null || fail "it ended"
  read -rt 0.1 <> <(:) || true # a pause
done
grep -q "the page is on port 8080" "$folder/log" || fail "it does not say where the page is"

query="info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-XX0000-000000000000&port=6881&left=0"
reply=$(curl -sf "http://127.0.0.1:6969/announce?$query" | tr -d '\0') || fail "no answer to an HTTP announce"
[[ $reply == d8:completei1e* ]] || fail "HTTP announce: $reply"
page=$(curl -sf "http://127.0.0.1:8080/") || fail "no page"
[[ $page == *Wildkat* ]] || fail "page: $page"
/usr/bin/python3 - <<'PYTHON' || fail "UDP announce"
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("127.0.0.1", 6969))
s.send(struct.pack(">QII", 0x41727101980, 0, 7))
action, transaction, connection = struct.unpack(">IIQ", s.recv(2048))
assert (action, transaction) == (0, 7)
s.send(struct.pack(">QII20s20sQQQIIIiH", connection, 1, 8, b"a" * 20, b"-XX0000-000000000001",
                   0, 1, 0, 2, 0, 0, -1, 6882))
reply = s.recv(2048)
action, transaction, interval, leechers, seeders = struct.unpack(">IIIII", reply[:20])
assert (action, transaction, leechers, seeders) == (1, 8, 1, 1), reply
assert reply[20:] == bytes([127, 0, 0, 1]) + struct.pack(">H", 6881), reply
PYTHON

kill -TERM $pid
wait $pid || fail "it did not end with 0"
echo "smoke test passed: $("$folder/wildkat" --version), $(stat -c %s "$folder/wildkat") bytes"
