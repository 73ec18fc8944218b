#!/usr/bin/env bash
# Builds cargo-deny where it is missing: it keeps licences, sources and doubled versions in check.
set -euo pipefail
version=0.20.2
root=${CARGO_TARGET_DIR:-target}/tools
[ -x "$root/bin/cargo-deny" ] && "$root/bin/cargo-deny" --version | grep -q "$version" && exit 0
cargo install --quiet --locked --root "$root" --target-dir "${CARGO_TARGET_DIR:-target}/tools-build" \
  --profile dev --no-default-features --version "$version" cargo-deny
