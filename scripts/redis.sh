#!/usr/bin/env bash
# redis-server (7.0 or newer) for the tests that join nodes: taken as it is, else installed by apt where that needs
# nobody's password, else named. Never fails: without it those tests are skipped with this reason.
# A server that comes with the package is not started: tests start their own, on free ports.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

newest() { # -> "major" of the redis-server that would be used; nothing if there is none
  "${REDIS_SERVER:-redis-server}" --version 2>/dev/null | sed -nE 's/.* v=([0-9]+)\..*/\1/p'
}

is_there() { local major; major=$(newest) && [ -n "$major" ] && [ "$major" -ge 7 ]; }

is_there && exit 0

policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
install_quietly() {
  local placed=''
  # Debian's packages start their services; this says no to all of them while we install, and goes away with us.
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && placed=yes
    trap "rm -f $policy" EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  local apt=(timeout 120 apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o DPkg::Lock::Timeout=60)
  "${apt[@]}" install -y --no-install-recommends redis-server >/dev/null 2>&1 ||
    { "${apt[@]}" update >/dev/null 2>&1 && "${apt[@]}" install -y --no-install-recommends redis-server >/dev/null 2>&1; } || true
  if [ -n "$placed" ]; then rm -f "$policy"; fi
  # Nor at the next boot.
  if is_there && [ -d /run/systemd/system ]; then systemctl disable --quiet redis-server >/dev/null 2>&1 || true; fi
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && [ -z "${REDIS_SERVER:-}" ]; then
  say "installing redis-server for the tests (its service is not started)"
  install_quietly
fi

is_there || say "redis-server 7.0 or newer was not found: the tests that join nodes are skipped; Debian and Ubuntu: apt-get install redis-server, or REDIS_SERVER=/path/to/redis-server"
