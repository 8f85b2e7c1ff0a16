#!/usr/bin/env bash
# Runs a built wildkat where nothing else is: no library, no /proc, /dev or /etc, only itself and a
# certificate; and has it ask itself over UDP, HTTP and HTTPS, IPv4 and IPv6.
#
# usage: empty_root.sh path/to/wildkat
set -euo pipefail
wildkat=$(realpath "${1:?usage: empty_root.sh path/to/wildkat}")

if [[ ${WILDKAT_ROOT_INSIDE:-} != 1 ]]; then
  # Root makes the namespaces; anybody else makes some in which they are root.
  if ((EUID == 0)); then new=(unshare --net); else new=(unshare --net --map-root-user); fi
  WILDKAT_ROOT_INSIDE=1 exec "${new[@]}" "$0" "$wildkat"
fi

ip link set lo up
root=$(mktemp -d)
tracker=
: >"$root.log"
trap 'test -z "$tracker" || kill -9 "$tracker" 2>/dev/null; rm -rf "$root" "$root.log"' EXIT
cp "$wildkat" "$root/wildkat"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1,IP:::1 \
  -keyout "$root/key.pem" -out "$root/cert.pem" 2>/dev/null

fail() {
  echo "empty root: $1"
  cat "$root.log"
  exit 1
}
chroot "$root" /wildkat serve --ipv6 --https-port=6970 --cert=/cert.pem --key=/key.pem \
  2>"$root.log" &
tracker=$!
for ((i = 0; i < 100; i++)); do
  grep -q ready "$root.log" && break
  kill -0 "$tracker" 2>/dev/null || fail "it ended"
  sleep 0.1
done
for host in 127.0.0.1 '[::1]'; do
  for url in "udp://$host:6969" "http://$host:6969/announce" "https://$host:6970/announce"; do
    chroot "$root" /wildkat query -q --cacert=/cert.pem -t "$url" || fail "no good answer from $url"
    chroot "$root" /wildkat query -q --scrape --cacert=/cert.pem -t "$url" || fail "no scrape from $url"
  done
done
kill -TERM "$tracker"
wait "$tracker" || fail "it did not end with 0"
tracker= # it has ended: nothing for the trap to end
echo "empty root: announce and scrape answered over UDP, HTTP and HTTPS, IPv4 and IPv6"
