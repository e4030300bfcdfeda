#!/usr/bin/env bash
# Official clients of all vendors, unchanged, each through the hub to providers of all formats and straight to a mock of
# its own vendor's API; see node/plan.mjs for the runs and node/compare.mjs for what is compared.
#
#   run.sh                 straight to the mock, twice: shows that the comparison itself holds
#   run.sh HUB             HUB is the hub's binary; it is started on a free port
#   SHORT=1 run.sh HUB     one other format for each client
#   CLIENTS="boto3 aigne"  only these
#   SLICE=7 run.sh HUB     the mock's answers come in pieces of seven bytes
#   KEEP=folder            keeps what the clients returned and the upstream received, and the hub's log
#
# HUB_CACHE holds the clients (default target/cache).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need openssl "install openssl"
install_clients
start_aimock "$here/aimock.json"

hub='' hub_key=test-key-for-the-clients kind=direct
if [ $# -gt 0 ]; then
  kind=hub
  start_hub "$1" < <(
    node - "$here/clients.json" "$aimock" <<'JS'
const [file, aimock] = process.argv.slice(2);
const { providers } = JSON.parse(require("fs").readFileSync(file));
for (const [id, { model, base, vendor = id }] of Object.entries(providers))
  console.log(`[[providers]]\nid = "${id}"\nvendor = "${vendor}"\nbase_url = "${aimock}${base}"\n` +
    `credentials = [{ id = "main", secret = "upstream-key" }]\nmodels = ["${model}"]\n`);
JS
  )
fi

# boto3 sends a bearer token over TLS only
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 -keyout "$work/tls.key" -out "$work/tls.pem" 2>/dev/null
node "$node/tls.mjs" "$work/tls.pem" "$work/tls.key" "$aimock" ${hub:+"$hub"} >"$work/tls" 2>"$work/tls.err" &
started+=($!)
read -r aimock_tls hub_tls < <(first_line "$work/tls")
export AWS_CA_BUNDLE=$work/tls.pem

# nothing of the machine's own settings
unset OPENAI_BASE_URL OPENAI_API_KEY ANTHROPIC_BASE_URL ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN GEMINI_API_KEY \
  GOOGLE_API_KEY GOOGLE_GEMINI_BASE_URL AWS_PROFILE LANGSMITH_TRACING LANGCHAIN_TRACING_V2
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true PYTHONDONTWRITEBYTECODE=1

all=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).clients.map((c) => `${c.name}=${c.program}`).join("\n")' "$here/clients.json")
results=()
for one in $all; do
  name=${one%%=*} program=${one#*=}
  [ -z "${CLIENTS:-}" ] || [[ " $CLIENTS " == *" $name "* ]] || continue
  node "$node/plan.mjs" "$here" "$name" "$aimock" "$aimock_tls" "$hub" "$hub_tls" "$hub_key" "${SHORT:-}" >"$work/$name.plan"
  case $program in
    python/*) command=("$python" "$here/$program") ;;
    *) command=(node "$cache/$program") ;;
  esac
  began=$SECONDS
  "${command[@]}" "$work/$name.plan" >"$work/$name" 2>"$work/$name.err" || { echo "$name failed:"; tail -n 20 "$work/$name.err"; } >&2
  echo "$name: $(wc -l <"$work/$name") calls, $((SECONDS - began)) s"
  results+=("$name=$work/$name")
done
[ -z "${KEEP:-}" ] || { mkdir -p "$KEEP" && cp "${results[@]#*=}" "$KEEP" && cp "$work"/hub.log "$work"/*.err "$KEEP" 2>/dev/null || true; }

[ -n "${SHORT:-}${CLIENTS:-}" ] || export ALL=1
node "$node/compare.mjs" "$here" "$kind" "${results[@]}"
