#!/usr/bin/env bash
# Questions a running API by its own OpenAPI document, with no data and with some, as the operator and as a tenant, and
# reads its metrics with Prometheus' own tool. It ends with 0 when there was no failure.
#
# EXAMPLES bounds the questions per operation. With KEEP=1 the directory of the run is left for a look.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
farwatch=$target/ci/farwatch
tools=$target/api-tools
examples=${EXAMPLES:-25}
# Longer than a start takes that compiles its modules.
start_seconds=90
# Longer than an outage takes to be confirmed and told.
outage_seconds=90

if [ "$(cat "$tools/installed" 2>/dev/null)" != "$(sha256sum < "$root/setup/api-tools.txt")" ]; then
  /usr/bin/python3 -m venv --clear "$tools"
  "$tools/bin/pip" --quiet --disable-pip-version-check install --no-deps --require-hashes -r "$root/setup/api-tools.txt"
  sha256sum < "$root/setup/api-tools.txt" > "$tools/installed"
fi

work=$(mktemp -d)
pid=
finish() {
  [ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
  [ -n "${KEEP:-}" ] && echo "api: left in $work" || rm -rf "$work"
}
trap finish EXIT

wait_for() {
  local seconds=$1 what=$2
  shift 2
  for _ in $(seq "$((seconds * 5))"); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done
  echo "api: no $what within $seconds s; see $work/up.log" >&2
  KEEP=1
  return 1
}

# A house of its own, on ports that the system chooses.
open_house() {
  data=$work/$1
  "$farwatch" up --data "$data" --hosts 2 --warmup 1s --api-listen 127.0.0.1:0 --link-listen 127.0.0.1:0 \
    --allow-net 127.0.0.0/8 2> "$work/up.log" &
  pid=$!
  wait_for "$start_seconds" "API" test -s "$data/api.url"
  api_url=$(cat "$data/api.url")
  token_file=$data/admin.token
  export FARWATCH_API=$api_url FARWATCH_TOKEN_FILE=$token_file
  wait_for "$start_seconds" "healthy house" "$farwatch" health
}

close_house() {
  kill "$pid"
  wait "$pid" 2>/dev/null || true
  pid=
}

# The operator's questions make tenants, too, so the one that is meant is named. Without a secret nothing would be asked.
secret_of() {
  local made secret
  made=$("$farwatch" token create "$1 of make api" --scope "$1" --tenant "$tenant" --json)
  secret=$(sed -n 's/.*"secret": *"\([^"]*\)".*/\1/p' <<< "$made")
  [ -n "$secret" ] || { echo "api: no token of the scope $1: $made" >&2; return 1; }
  echo "$secret"
}

question() {
  echo "api: $1, as $2"
  # In the directory of the run, where its notes may stay.
  (cd "$work" && PYTHONWARNINGS=ignore SCHEMATHESIS_HOOKS="$root/setup/api_callers.py" "$tools/bin/schemathesis" --config-file "$root/setup/schemathesis.toml" run \
    --header "Authorization: Bearer $3" --max-examples "$examples" --no-color "$api_url/v1/openapi.json")
}

read_metrics() {
  curl -fsS -H "Authorization: Bearer $(secret_of metrics)" "$api_url/metrics" > "$work/metrics"
  promtool check metrics < "$work/metrics"
  echo "api: promtool finds nothing wrong with $(grep -vc '^#' "$work/metrics") samples"
}

failed=0
open_house empty
question 'an empty house' 'the operator' "$(cat "$token_file")" || failed=1
close_house

open_house lived-in
tenant=$("$farwatch" tenant list --json | grep -o 'ten_[0-9a-f]*' | head -1)
"$farwatch" contact create ops
"$farwatch" channel add ops --webhook http://127.0.0.1:9/hook
"$farwatch" check create http --name good --url "$api_url/v1/openapi.json" --every 10s --no-wait
# Nobody listens on the port of discard.
"$farwatch" check create http --name bad --url http://127.0.0.1:9/ --every 10s --contact ops --no-wait
wait_for "$outage_seconds" incident sh -c "'$farwatch' incident list --state open --json | grep -q inc_"
read_metrics || failed=1
question 'a house that is lived in' 'the operator' "$(cat "$token_file")" || failed=1
question 'a house that is lived in' 'a tenant' "$(secret_of tenant)" || failed=1
question 'a house that is lived in' 'a reader' "$(secret_of read)" || failed=1
read_metrics || failed=1
close_house
[ "$failed" -eq 0 ] && echo 'api: 0 failures'
exit "$failed"
