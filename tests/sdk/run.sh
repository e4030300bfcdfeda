#!/usr/bin/env bash
# The official OpenAI SDKs, unchanged, against recorded upstreams: each case once straight to the upstream and once
# through the hub. What the upstream received and what the SDK returned may differ only where
# allowed-differences.json says so. Ends with `N passed, N failed`.
#
#   run.sh                       straight to the upstream, twice: shows that the comparison itself holds
#   run.sh HUB                   HUB is the hub's binary; it is started on free ports with the upstreams as providers
#   run.sh HUB_URL HUB_KEY       a hub that runs already (.../v1), with the providers `aimock` and `scripted` at
#                                AIMOCK_PORT and SCRIPTED_PORT on loopback (set both) and their models pinned by name
#
# HUB_CACHE holds the SDKs (default target/cache), FAKE_PROVIDER the fake's binary (default: built by cargo).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${HUB_CACHE:-$root/target/cache}/sdk
python=$cache/python/bin/python
node=$cache/node

need() { command -v "$1" >/dev/null || { echo "the SDK tests need $1: $2" >&2; exit 1; }; }
need node "install Node.js 20 or later"
need npm "install npm"
need python3 "install Python 3.9 or later with its venv module (Debian: python3-venv)"

install() { # what, stamp of what it is made from, command
  local stamp=$cache/$1.stamp sum
  sum=$(cat "${@:3}" | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return
  echo "installing the pinned SDKs for $1" >&2
  rm -rf "${cache:?}/$1"
  mkdir -p "$cache/$1"
  "$2"
  echo "$sum" >"$stamp"
}
install_python() {
  python3 -m venv "$cache/python"
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
}
install_node() {
  cp "$here/package.json" "$here/package-lock.json" "$node"
  npm --prefix "$node" ci --silent --no-audit --no-fund --ignore-scripts
}
install python install_python "$here/requirements.txt"
install node install_node "$here/package.json" "$here/package-lock.json"
# modules are looked for beside the script that imports them
cp "$here"/*.mjs "$node"

if [ -z "${FAKE_PROVIDER:-}" ]; then
  cargo build --quiet --locked --manifest-path "$root/Cargo.toml" -p e2e --bin fake-provider
  FAKE_PROVIDER=${CARGO_TARGET_DIR:-$root/target}/debug/fake-provider
fi

work=$(mktemp -d)
started=()
stop() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT

first_line() { # file: waits until it has one
  for _ in $(seq 200); do
    [ -s "$1" ] && { head -n 1 "$1"; return; }
    sleep 0.05
  done
  echo "nothing was started: $(cat "$1".err 2>/dev/null)" >&2
  return 1
}

node "$node/aimock.mjs" "$here/aimock.json" "${AIMOCK_PORT:-0}" >"$work/aimock" 2>"$work/aimock.err" &
started+=($!)
"$FAKE_PROVIDER" --whole --listen "127.0.0.1:${SCRIPTED_PORT:-0}" >"$work/scripted" 2>"$work/scripted.err" &
started+=($!)
aimock=$(first_line "$work/aimock")
scripted=$(first_line "$work/scripted")

case $# in
  0) kind=direct hub_url='' hub_key=unused ;;
  1)
    kind=hub hub_key=test-key-for-the-sdk-run
    port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
    admin=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
    hub_url=http://127.0.0.1:$port/v1
    (umask 077; printf "%s" "$hub_key" >"$work/key")
    cat >"$work/hub.toml" <<TOML
[[providers]]
id = "aimock"
vendor = "openai"
base_url = "$aimock"
credentials = [{ id = "main", secret = "upstream-key" }]
models = ["gpt-4o-mini", "text-embedding-3-small"]

[[providers]]
id = "scripted"
vendor = "openai"
base_url = "$scripted"
credentials = [{ id = "main", secret = "upstream-key" }]
models = ["gpt-4o-mini", "text-embedding-3-small"]

[[keys]]
id = "sdk"
secret = "file:$work/key"
TOML
    HUB_LISTEN=127.0.0.1:$port HUB_ADMIN_LISTEN=127.0.0.1:$admin HUB_DATA=$work/data \
      HUB_DISCOVERY_ENABLED=false \
      "$1" ${HUB_ROLE:-gateway} --config "$work/hub.toml" >"$work/hub.log" 2>&1 &
    started+=($!)
    ready=
    for _ in $(seq 200); do
      curl --silent --fail --max-time 1 "http://127.0.0.1:$port/readyz" >/dev/null && { ready=yes; break; }
      sleep 0.1
    done
    [ -n "$ready" ] || { echo "the hub did not get ready:"; tail -n 30 "$work/hub.log"; exit 1; } >&2
    ;;
  2) kind=hub hub_url=$1 hub_key=$2 ;;
  *) sed -n '2,14p' "$0" >&2; exit 2 ;;
esac

plan() { # base URL of a hub, or empty; its key
  node - "$here" "$aimock" "$scripted" "$1" "$2" <<'JS'
const fs = require("fs");
const [here, aimock, scripted, hub, key] = process.argv.slice(2);
const upstreams = { aimock, scripted };
const tools = JSON.parse(fs.readFileSync(`${here}/tools.json`));
const cases = JSON.parse(fs.readFileSync(`${here}/cases.json`));
for (const item of cases) {
  if (item.args.tools === "TOOLS") item.args.tools = tools;
  const model = item.call === "embeddings" ? "text-embedding-3-small" : "gpt-4o-mini";
  item.model = hub ? `${item.upstream}/${model}` : model;
  item.base_url = hub || upstreams[item.upstream];
  item.control = upstreams[item.upstream];
  item.key = key;
}
console.log(JSON.stringify(cases));
JS
}

each() { # name of the run, base URL, key
  plan "$2" "$3" >"$work/plan-$1.json"
  "$python" "$here/client.py" "$work/plan-$1.json" >"$work/python-$1" || { echo "the Python client failed" >&2; exit 1; }
  node "$node/client.mjs" "$work/plan-$1.json" >"$work/node-$1" || { echo "the Node client failed" >&2; exit 1; }
}
each direct '' direct-key
each other "$hub_url" "$([ -n "$hub_url" ] && echo "$hub_key" || echo direct-key)"
[ -z "${KEEP:-}" ] || cp "$work"/python-* "$work"/node-* "$KEEP"

node "$here/compare.mjs" "$here/cases.json" "$here/allowed-differences.json" "$kind" \
  "python=$work/python-direct=$work/python-other" "node=$work/node-direct=$work/node-other"
