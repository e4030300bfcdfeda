#!/usr/bin/env bash
# make test-api: requests generated from the admin API's own description, valid and not, against a running hub: no
# server error, no status or content type that is not described, no answer that is not of its schema.
#   run.sh HUB [EXAMPLES PER OPERATION [REQUESTS THAT THERE MUST BE]]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../clients/lib.sh"
need python3 "install Python 3.10 or later with its venv module (Debian: python3-venv)"
install_api() {
  python3 -m venv "$cache/api"
  "$cache/api/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
}
install api install_api "$here/requirements.txt"

hub_key=a-key-of-this-test
HUB_ROLE=serve # with ClickHouse, which is asked too
start_hub "$1" </dev/null
cd "$work" # it leaves files where it runs

# What takes time is to think of requests, on one core; its threads get into each other's way. So there are two of it.
generate() { # name, how operations are chosen: what it found, in a file
  mkdir "$1" && cd "$1"
  SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$here "$cache/api/bin/st" run "$operators/admin/v1/openapi.json" \
    --header "Authorization: Bearer $(cat "$work/data/secrets/owner-token")" "${@:3}" \
    --phases coverage,fuzzing --max-examples "$2" --continue-on-failure --no-color --warnings off \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance >../"$1.log" 2>&1
}
some='/admin/v1/(organisations|projects|accounts|users|bindings)'
(generate one "${2:-310}" --include-path-regex "$some") & one=$!
(generate other "${2:-310}" --exclude-path-regex "$some") & other=$!
started+=("$one" "$other")
failed=
wait "$one" || failed=yes
wait "$other" || failed=yes
cat one.log other.log
total=$(sed -n 's/^ *\([0-9]*\) generated.*/\1/p' one.log other.log | awk '{all += $1} END {print all + 0}')
echo "$total requests were generated"
[ -z "$failed" ] || { echo "the hub said:"; tail -n 30 hub.log; exit 1; } >&2
[ "$total" -ge "${3:-20000}" ] || { echo "that is fewer than ${3:-20000}" >&2; exit 1; }
