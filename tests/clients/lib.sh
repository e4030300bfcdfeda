# What the tests with official clients share: sourced by tests/clients/run.sh and tests/sdk/run.sh.
# Sets `python` and `node` (the pinned clients, below HUB_CACHE) and `work` (gone at exit).
clients=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$clients/../.." && pwd)
cache=${HUB_CACHE:-$root/target/cache}/clients
python=$cache/python/bin/python
node=$cache/node

need() { command -v "$1" >/dev/null || { echo "the tests with clients need $1: $2" >&2; exit 1; }; }

install() { # what, how, what it is made from
  local stamp=$cache/$1.stamp sum
  sum=$(cat "${@:3}" | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return
  echo "installing the pinned clients for $1" >&2
  rm -rf "${cache:?}/$1"
  mkdir -p "$cache/$1"
  "$2"
  echo "$sum" >"$stamp"
}
install_python() {
  python3 -m venv "$cache/python"
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$clients/requirements.txt"
}
install_node() {
  cp "$clients/package.json" "$clients/package-lock.json" "$node"
  npm --prefix "$node" ci --silent --no-audit --no-fund --ignore-scripts
}
install_clients() {
  need node "install Node.js 20 or later"
  need npm "install npm"
  need python3 "install Python 3.9 or later with its venv module (Debian: python3-venv)"
  install python install_python "$clients/requirements.txt"
  install node install_node "$clients/package.json" "$clients/package-lock.json"
  # modules are looked for beside the script that imports them
  cp "$clients"/node/*.mjs "$node"
}

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

start_aimock() { # fixtures, port: prints its address once it listens
  node "$node/aimock.mjs" "$1" "${2:-0}" >"$work/aimock" 2>"$work/aimock.err" &
  started+=($!)
  aimock=$(first_line "$work/aimock")
}

free_port() { # below the ports that the system gives to connections; the next is left to a controller
  python3 -c '
import random, socket
while True:
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", random.randrange(20000, 32000, 2)))
        except OSError:
            continue
        print(s.getsockname()[1])
        break'
}

start_hub() { # binary; its configuration is read from standard input, the key's secret is in $hub_key
  local port admin clickhouse ready=
  port=$(free_port) admin=$(free_port) clickhouse=$(free_port)
  hub=http://127.0.0.1:$port operators=http://127.0.0.1:$admin
  (umask 077; printf "%s" "$hub_key" >"$work/key")
  { cat; printf '\n[[keys]]\nid = "clients"\nsecret = "file:%s"\n' "$work/key"; } >"$work/hub.toml"
  HUB_LISTEN=127.0.0.1:$port HUB_ADMIN_LISTEN=127.0.0.1:$admin HUB_CLICKHOUSE_LISTEN=127.0.0.1:$clickhouse HUB_DATA=$work/data \
    HUB_DISCOVERY_ENABLED=false \
    "$1" ${HUB_ROLE:-gateway} --config "$work/hub.toml" >"$work/hub.log" 2>&1 &
  started+=($!)
  for _ in $(seq 200); do
    curl --silent --fail --max-time 1 "$hub/readyz" >/dev/null && { ready=yes; break; }
    sleep 0.1
  done
  [ -n "$ready" ] || { echo "the hub did not get ready:"; tail -n 30 "$work/hub.log"; exit 1; } >&2
}
