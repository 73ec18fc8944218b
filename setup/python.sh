#!/usr/bin/env bash
# Makes the Python environment of the tests: Debian's mail server library, and the reference verifier of Standard Webhooks, so that our
# signatures are checked by code that is not ours.
set -euo pipefail

target=${CARGO_TARGET_DIR:-target}
venv=$target/python
[ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import standardwebhooks' 2>/dev/null && exit 0
mkdir -p "$target"
/usr/bin/python3 -m venv --system-site-packages "$venv"
"$venv/bin/pip" --quiet --disable-pip-version-check install 'standardwebhooks>=1,<2'
