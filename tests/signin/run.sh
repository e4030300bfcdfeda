#!/usr/bin/env bash
# Signing in through a real OpenID provider (node-oidc-provider, pinned): who is let in and who is not, with what is
# forged, stolen or late. Ends with `N passed, N failed`.
#   run.sh HUB             HUB is the hub's binary; it is started on free ports
# HUB_CACHE holds the provider (default target/cache).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../clients/lib.sh"
need node "install Node.js 20 or later"
need npm "install npm"
install_signin() {
  cp "$here/package.json" "$here/package-lock.json" "$cache/signin"
  npm --prefix "$cache/signin" ci --silent --no-audit --no-fund --ignore-scripts
}
install signin install_signin "$here/package.json" "$here/package-lock.json"
# modules are looked for beside the script that imports them
cp "$here"/*.mjs "$cache/signin"

hub_key=a-key-of-this-test
provider=$(free_port)
start_hub "$1" <<TOML
[signin.oidc]
issuer = "http://127.0.0.1:$provider"
client_id = "hub"
client_secret = "secret-of-the-hub"
name = "R&D <IDs>"
TOML
operators=$(sed -n 's|.*operators: \(http://[0-9.:]*\).*|\1|p' "$work/hub.log")
link=$(sed -n 's|.*/signin#link=||p' "$work/hub.log")
node "$cache/signin/flow.mjs" "$operators" "$(cat "$work/data/secrets/owner-token")" "$provider" "$link" \
  "HUB_DATA='$work/data' '$1'"
