# Shared by the scripts beside it; to be sourced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/jackfield"
mkdir -p "$cache"
# Outside the clone, so that a fresh clone does not build the world again.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"

step() { printf '\n== %s\n' "$*"; }

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

require() {
  command -v "$1" >/dev/null || fail "$1 is missing: install $2"
}

require cargo "Rust 1.95 or newer (https://rustup.rs)"
require node "Node.js 20.19 or newer"
require npm "npm"

# Installs the npm packages, unless node_modules is as the lock file says.
npm_packages() {
  local folder="${1:-.}" stamp
  stamp="$folder/node_modules/.installed-from"
  if ! cmp -s "$folder/package-lock.json" "$stamp"; then
    step "npm packages ($folder)"
    npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error
    cp "$folder/package-lock.json" "$stamp"
  fi
}

# Waits until a URL answers, or a process is gone. wait_for URL PID NAME
wait_for() {
  for _ in $(seq 300); do
    # Asked first: what answers may be another program, in whose way this one ended.
    kill -0 "$2" 2>/dev/null || fail "$3 ended before it answered"
    if curl_quiet "$1"; then return 0; fi
    sleep 0.1
  done
  fail "$3 did not answer at $1 within 30 s"
}

curl_quiet() {
  node -e 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))' "$1"
}

# Ends unless a port of this machine is free. require_free PORT HINT
require_free() {
  [[ "$1" =~ ^[1-9][0-9]{0,4}$ && "$1" -le 65535 ]] || fail "$1 is no port from 1 to 65535"
  node -e '
    const server = require("net").createServer();
    server.on("error", (error) => process.exit(error.code === "EADDRINUSE" ? 3 : 4));
    server.listen(+process.argv[1], "127.0.0.1", () => server.close());
  ' "$1" 2>/dev/null || fail "port $1 cannot be had: another program may be using it. $2"
}

# A port that was free a moment ago.
free_port() {
  node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}
