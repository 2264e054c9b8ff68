#!/usr/bin/env bash
# Installs the peers of the table that are not Python's own, below benchmarks/.build/peers: what the machine has the
# tools for (npm: bun, ws, socket.io; go: Centrifugo, NATS; pip: picows). What cannot be installed is told, and is no row.
set -uo pipefail
cd "$(dirname "$0")"
target=../.build/peers
mkdir -p $target/bin
say() { printf 'peers: %s\n' "$*" >&2; }

if command -v npm >/dev/null 2>&1; then
  cp package.json ./*.mjs $target/
  if [ ! -d $target/node_modules/ws ]; then
    (cd $target && npm install --silent --no-audit --no-fund --ignore-scripts >/dev/null) || say "npm could not install bun, ws, socket.io"
  fi
  # Bun's package fetches its program by a script; the program lies in a package beside it.
  program=$(find $target/node_modules/@oven -path '*/bin/bun*' -type f 2>/dev/null | head -1)
  [ -n "$program" ] && cp "$program" $target/node_modules/bun/bin/bun.exe
else
  say "without npm: no bun, ws, socket.io"
fi

[ -x ../../.venv/bin/python ] || ../../scripts/setup.sh
if [ ! -d $target/python/picows ]; then
  ../../.venv/bin/python -m pip install --quiet --disable-pip-version-check --target $target/python picows==2.3.1 \
    || say "pip could not install picows"
fi

if command -v go >/dev/null 2>&1; then
  GOBIN="$(cd $target/bin && pwd)"
  export GOBIN
  [ -x "$GOBIN/nats-server" ] || go install github.com/nats-io/nats-server/v2@v2.15.3 || say "go could not build nats-server"
  [ -x "$GOBIN/centrifugo" ] || go install github.com/centrifugal/centrifugo/v6@v6.9.1 || say "go could not build centrifugo"
else
  say "without go: no Centrifugo, NATS"
fi
