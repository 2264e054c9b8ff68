#!/usr/bin/env bash
# The TypeScript client and the page: `scripts/typescript.sh test` runs their tests, `lint` their linter, types and the check of the package.
# Without Node 20.19, or where npm cannot reach what a lock names, it says so and fails nothing; with them it decides.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { printf 'typescript: skipped: %s\n' "$*" >&2; exit 0; }

command -v npm >/dev/null 2>&1 || skip "npm is not there; Node 20.19 or newer is needed"
node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
  skip "Node 20.19 or newer is needed, this is $(node --version)"

# Installed once per lock, as the lock says.
install() (
  cd "$1"
  cmp -s package-lock.json node_modules/.lock-of-this-install && return
  npm ci --no-progress --fetch-retries=1 --fetch-timeout=20000 >/dev/null 2>node_modules.log || {
    tail -3 node_modules.log >&2
    rm -f node_modules.log
    return 1
  }
  rm -f node_modules.log
  cp package-lock.json node_modules/.lock-of-this-install
)
for package in clients/ts dashboard; do
  install $package || skip "npm could not install what $package/package-lock.json names"
done

case "${1:-test}" in
  test)
    # A failed test is tried once more: one that only fails under load is then named, and not fatal.
    (cd clients/ts && npm test --silent -- --retry=1)
    (cd dashboard && npm test --silent -- --retry=1)
    ;;
  lint)
    (cd clients/ts && npm run --silent lint && npm run --silent build && npm run --silent check)
    (cd dashboard && npm run --silent lint)
    ;;
  *) printf 'typescript: expected test or lint, got %s\n' "$1" >&2; exit 2 ;;
esac
