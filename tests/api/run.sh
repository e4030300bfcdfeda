#!/usr/bin/env bash
# make test-api: requests generated from the admin API's own description, valid and not, against a running hub: no
# server error, no status or content type that is not described, no answer that is not of its schema.
#   run.sh HUB [REQUESTS PER OPERATION]
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
SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$here "$cache/api/bin/st" run "$operators/admin/v1/openapi.json" \
  --header "Authorization: Bearer $(cat "$work/data/secrets/owner-token")" \
  --phases coverage,fuzzing --max-examples "${2:-320}" --workers 4 --continue-on-failure --no-color --warnings off \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
