#!/bin/sh
# Writes the manual pages of the built-in modules, as they say of themselves, to docs/checks/.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target}
modules=$target_dir/modules

mkdir -p "$root/docs/checks"
rm -f "$root"/docs/checks/*.md
while read -r check; do
    "$target_dir/ci/farwatch" module show --file "$modules/$check.wasm" > "$root/docs/checks/$check.md"
done < "$modules/checks"
"$target_dir/ci/farwatch" module show heartbeat --built-in > "$root/docs/checks/heartbeat.md"
