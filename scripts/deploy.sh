#!/usr/bin/env bash
# Puts a new wildkat in the place of the one that runs as a service: looks at it first, replaces the
# file in one step, restarts, asks the tracker, and goes back to the old one if it does not answer.
#
# usage: scripts/deploy.sh [--unit=NAME] [--program=PATH] NEW [URL...]
#
# NEW is the program to install; where NEW.sha256 lies beside it, it has to agree. The URLs are those
# of announces, all of which must be answered; udp://127.0.0.1:6969 without any. The program before is
# kept as PATH.old.
set -euo pipefail

unit=wildkat
program=/usr/local/bin/wildkat
fail() { echo "deploy: $1" >&2; exit 1; }
usage() { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }

while [[ ${1:-} == --* ]]; do
  case $1 in
    --unit=?*) unit=${1#*=} ;;
    --program=?*) program=${1#*=} ;;
    *) usage ;;
  esac
  shift
done
(($#)) || usage
new=$1
shift
(($#)) || set -- udp://127.0.0.1:6969

# Before anything is changed.
[[ -f $new && -x $new ]] || fail "$new is no program: build it with scripts/release.sh"
if [[ -e $new.sha256 ]]; then
  [[ $(sha256sum <"$new") == "$(cut -d' ' -f1 "$new.sha256")  -" ]] || fail "$new is not what $new.sha256 says"
fi
version=$("$new" --version) || fail "$new does not run here"
[[ -w ${program%/*} ]] || fail "${program%/*} may not be written to: run this as root"
exec 9>"$program.lock"
flock -n 9 || fail "another deployment is under way ($program.lock)"

# Ten tries, since a service that is not of Type=notify may still be starting. The old program asks,
# where there is one: the new one is not to be its own judge.
asker=$new
answers() {
  local url try
  for url in "$@"; do
    for ((try = 1; ; try++)); do
      timeout 5 "$asker" query --quiet --timeout=2 --tracker="$url" >/dev/null 2>&1 && break
      ((try < 10)) || { echo "deploy: no answer from $url" >&2; return 1; }
      sleep 0.5
    done
  done
}
# put FILE: in one step, so that whoever starts the program meanwhile gets the one or the other.
put() {
  install -m 755 "$1" "$program.new"
  mv -f "$program.new" "$program"
}

before=
if [[ -e $program ]]; then
  cp -pf "$program" "$program.old"
  if before=$("$program" --version); then asker=$program.old; else before="a program that does not run"; fi
fi
put "$new"
if systemctl restart "$unit" && answers "$@"; then
  echo "deploy: $unit runs $version${before:+, before it $before}"
  exit
fi

[[ -n $before ]] || fail "$version does not answer, and nothing was there before; see journalctl -u $unit"
echo "deploy: $version does not answer: going back to $before" >&2
put "$program.old"
systemctl restart "$unit" || fail "$before does not start either; see journalctl -u $unit"
answers "$@" || fail "$before does not answer either; see journalctl -u $unit"
fail "$before runs again; see journalctl -u $unit for what $version said"
