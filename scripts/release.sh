#!/usr/bin/env bash
# The one file that operators copy: wildkat, wholly static, with musl. Builds it, shows that it needs
# nothing of the machine it runs on, and leaves it in target/dist with its SHA-256.
#
# usage: scripts/release.sh [prebuilt|source], which standard library: see scripts/musl.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

fail() { echo "release: $1" >&2; exit 1; }

dist=target/dist
debian file binutils openssl iproute2 util-linux curl
built=$(scripts/musl.sh wildkat "$@")
mkdir -p "$dist"
cp "$built/wildkat" "$dist/wildkat"

kind=$(file -b "$dist/wildkat")
[[ $kind == *"statically linked"* || $kind == *"static-pie linked"* ]] || fail "not static: $kind"
if readelf -lW "$dist/wildkat" | grep -q INTERP; then fail "it asks for an interpreter"; fi
if readelf -dW "$dist/wildkat" | grep -q NEEDED; then fail "it asks for a library"; fi
scripts/empty_root.sh "$dist/wildkat"
scripts/smoke.sh "$dist/wildkat"

(cd "$dist" && sha256sum wildkat >wildkat.sha256)
echo "$dist/wildkat, from $built: $("$dist/wildkat" --version), $(stat -c %s "$dist/wildkat") bytes"
cat "$dist/wildkat.sha256"
