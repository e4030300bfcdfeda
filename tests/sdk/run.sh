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
# HUB_CACHE holds the clients (default target/cache), FAKE_PROVIDER the fake's binary (default: built by cargo).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../clients/lib.sh"
install_clients
cp "$here/client.mjs" "$node/sdk.mjs"
cp "$here/compare.mjs" "$node/sdk-compare.mjs"

if [ -z "${FAKE_PROVIDER:-}" ]; then
  cargo build --quiet --locked --manifest-path "$root/Cargo.toml" -p e2e --bin fake-provider
  FAKE_PROVIDER=${CARGO_TARGET_DIR:-$root/target}/debug/fake-provider
fi

start_aimock "$here/aimock.json" "${AIMOCK_PORT:-0}"
aimock=$aimock/v1
"$FAKE_PROVIDER" --whole --listen "127.0.0.1:${SCRIPTED_PORT:-0}" >"$work/scripted" 2>"$work/scripted.err" &
started+=($!)
scripted=$(first_line "$work/scripted")

case $# in
  0) kind=direct hub_url='' hub_key=unused ;;
  1)
    kind=hub hub_key=test-key-for-the-sdk-run
    start_hub "$1" <<TOML
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
TOML
    hub_url=$hub/v1
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
  node "$node/sdk.mjs" "$work/plan-$1.json" >"$work/node-$1" || { echo "the Node client failed" >&2; exit 1; }
}
each direct '' direct-key
each other "$hub_url" "$([ -n "$hub_url" ] && echo "$hub_key" || echo direct-key)"
[ -z "${KEEP:-}" ] || cp "$work"/python-* "$work"/node-* "$KEEP"

node "$node/sdk-compare.mjs" "$here/cases.json" "$here/allowed-differences.json" "$kind" \
  "python=$work/python-direct=$work/python-other" "node=$work/node-direct=$work/node-other"
