#!/usr/bin/env bash
# Builds the programs of a package as they are released, static with musl, and prints their folder.
#
# usage: scripts/musl.sh PACKAGE [prebuilt|source]
#
# `prebuilt` takes the compiler's own standard library for musl, `source` builds that too, for hosts
# where rustup can fetch nothing. Without a word it is the first if that may be had.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

package=${1:?$(sed -n 's/^# usage: /usage: /p' "$0")}
std=${2:-}
target=$(uname -m)-unknown-linux-musl

has_std() { compgen -G "$(rustc --print target-libdir --target "$target")/libstd-*.rlib" >/dev/null; }
if [[ -z $std ]]; then
  has_std || timeout 300 rustup target add "$target" >&2 || true
  if has_std; then std=prebuilt; else std=source; fi
fi

# The source of the standard library, of exactly this compiler's version, from Debian's backports;
# with a list of its own, so that the machine's package lists stay as they are.
fetch_std_source() {
  local version state mirror found place
  place=$(rustc --print sysroot)/lib/rustlib/src/rust
  [[ -e $place/library/Cargo.lock ]] && return
  version=$(rustc --version | cut -d' ' -f2)
  echo "fetching the source of the standard library $version" >&2
  state=$PWD/target/std-source
  mkdir -p "$state"/{lists,cache/archives}/partial
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
    awk '$2 == "Debian" { print $1; exit }')
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    "${mirror:?no mirror of Debian is configured} trixie-backports main" >"$state/source.list"
  local apt=(-qq -o "Dir::Etc::SourceList=$state/source.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update >&2
  found=$(apt-cache "${apt[@]}" madison rust-src | awk '{ print $3 }' | grep -m1 "^$version[+-]") ||
    { echo "Debian has no source of Rust $version: install its rust-src with rustup" >&2; exit 1; }
  (cd "$state" && apt-get "${apt[@]}" download "rust-src=$found" && dpkg -x rust-src_*.deb .) >&2
  mkdir -p "${place%/*}"
  ln -sfn "$state/usr/src/rustc-$version" "$place"
}

case $std in
  prebuilt)
    debian musl-tools # compiles the C in our dependencies; the compiler brings the C library
    cargo build --locked --release --package "$package" --target "$target" >&2
    echo "target/$target/release"
    ;;
  source)
    fetch_std_source
    cargo_tool cargo-zigbuild 0.23.4
    # The C library, start files and an unwinder; musl-gcc with libgcc_eh cannot unwind.
    "$tools/bin/python3" -c 'import ziglang' 2>/dev/null || python_package ziglang==0.15.2
    # A folder of its own, lest objects for one C library are taken for those of the other.
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-C link-self-contained=no" cargo zigbuild --locked --release \
      --package "$package" -Zbuild-std=std,panic_unwind --target "$target" \
      --target-dir target/std-source/build >&2
    echo "target/std-source/build/$target/release"
    ;;
  *)
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
    ;;
esac
