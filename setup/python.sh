#!/usr/bin/env bash
# Makes the Python environment of the tests: Debian's mail server library, the reference verifier of Standard Webhooks and
# the messages of OTLP, so that what we sign and send is checked by code that is not ours; and the servers of the websocket
# and the grpc-health check, and a client that fills the queues of the amqp check.
set -euo pipefail

target=${CARGO_TARGET_DIR:-target}
venv=$target/python
[ -x "$venv/bin/python" ] && "$venv/bin/python" -c \
  'import standardwebhooks, google.protobuf, opentelemetry.proto, websockets.asyncio.server, grpc_health.v1.health, pika' 2>/dev/null && exit 0
mkdir -p "$target"
/usr/bin/python3 -m venv --system-site-packages "$venv"
"$venv/bin/python" -m pip --quiet --disable-pip-version-check install \
  'standardwebhooks>=1,<2' 'opentelemetry-proto>=1.30,<2' 'websockets>=16,<17' 'grpcio>=1.80,<2' 'grpcio-health-checking>=1.80,<2' \
  'pika>=1.3,<2'
