#!/usr/bin/env bash
# Whether the requests that the hub's tests say it sends are what the vendors' machine-readable schemas allow.
# Ends with `N passed, N failed, N skipped`.
#
# HUB_CACHE holds the schemas and SDKs (default target/cache).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${HUB_CACHE:-$root/target/cache}/vendors
python=$cache/python/bin/python
stamp=$cache/python.stamp

command -v python3 >/dev/null || {
  echo "the vendors' schemas need Python 3.10 or later with its venv module (Debian: python3-venv)" >&2
  exit 1
}
sum=$(sha256sum <"$here/requirements.txt")
if [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ]; then
  echo "installing the pinned schemas and SDKs of the vendors" >&2
  rm -rf "$cache"
  mkdir -p "$cache"
  python3 -m venv "$cache/python"
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
  echo "$sum" >"$stamp"
fi
exec "$python" "$here/check.py"
