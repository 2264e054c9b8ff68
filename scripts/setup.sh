#!/usr/bin/env bash
# Everything `make run` needs, once: a virtual environment, the native core in release, client and CLI. With `dev`, what
# the tests and the other verbs need as well.
# Says what is missing and the way out, one line each; does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
case "${1:-dev}" in run | dev) size=${1:-dev} ;; *) printf 'setup: expected run or dev, got %s\n' "$1" >&2; exit 2 ;; esac
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
say() { printf 'setup: %s\n' "$*" >&2; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.14 python3.13 python3.12 python3.11 python3 python; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$candidate"; return; }
  done
  return 1
}

python=$(find_python) || die "Python 3.11 or newer is needed, and none was found (tried \$PYTHON, python3.14 … python3); Debian and Ubuntu: apt-get install python3 python3-venv"
PATH="$PATH:$HOME/.cargo/bin"
command -v cargo >/dev/null 2>&1 || die "cargo (Rust 1.88 or newer) is needed to build the native core, and was not found; install Rust by rustup, or by your system's package manager"
command -v cc >/dev/null 2>&1 || die "a C compiler (cc) is needed to link the native core, and was not found; Debian and Ubuntu: apt-get install gcc"

if [ ! -x $venv/bin/python ]; then
  say "making $venv with $("$python" --version)"
  if command -v uv >/dev/null 2>&1; then uv venv --quiet --seed --python "$python" $venv
  else "$python" -m venv $venv || die "$python cannot make a virtual environment; Debian and Ubuntu: apt-get install python3-venv"
  fi
fi
PATH="$PWD/$venv/bin:$PATH"
export VIRTUAL_ENV="$PWD/$venv"

# Python packages, when what they are made from has changed.
wanted=$(cat constraints.txt pyproject.toml clients/python/pyproject.toml cli/pyproject.toml | cksum)
have=$(cat $venv/.packages 2>/dev/null || true)
if [ "$have" != "$size $wanted" ] && [ "$have" != "dev $wanted" ]; then
  say "installing Python packages into $venv"
  # Pip first, on its own: older ones do not know dependency groups.
  python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
  python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group "${size/run/build}"
  python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "clients/python[fast,msgpack]" -e "cli[tui]"
  printf '%s' "$size $wanted" > $venv/.packages
  rm -f $venv/.native
fi

# The native core, when its sources have changed. `maturin` installs the server's packages in place as well.
sources=$( (cat pyproject.toml native/Cargo.lock; find native -path native/target -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print | LC_ALL=C sort | xargs cat) | cksum)
if [ "$(cat $venv/.native 2>/dev/null)" != "$sources" ] || ! ls channels/_native*.so >/dev/null 2>&1; then
  say "building the native core (about a minute, once)"
  log=$(mktemp)
  PIP_CONSTRAINT="$PWD/constraints.txt" maturin develop --release --locked -m native/python/Cargo.toml >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; die "the native core did not build; what cargo said stands above"; }
  rm -f "$log"
  printf '%s' "$sources" > $venv/.native
fi
