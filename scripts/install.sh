# Sourced by the other scripts: installs what they name and a machine lacks, and says so.

# Cargo tools live here, beside what else the project keeps between runs.
tools=${XDG_CACHE_HOME:-$HOME/.cache}/wildkat/tools
PATH=$tools/bin:$PATH

# debian PACKAGE...
debian() {
  local package missing=() as_root=()
  for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  echo "installing ${missing[*]}" >&2
  ((EUID)) && as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# python_package NAME==VERSION: its programs come first on the path, as does its Python.
python_package() {
  echo "installing $1" >&2
  [[ -x $tools/bin/pip ]] || python3 -m venv "$tools" >&2 || return
  "$tools/bin/pip" install --quiet "$1" >&2
}

# cargo_tool NAME VERSION: any version that is there will do; else a prebuilt one of Astral's, which
# takes seconds, else one built here, which takes minutes.
cargo_tool() {
  command -v "$1" >/dev/null && return
  python_package "astral-dev-toolchain-$1==$2" && command -v "$1" >/dev/null && return
  echo "building $1 $2" >&2
  cargo install "$1" --version "$2" --locked --root "$tools"
}
