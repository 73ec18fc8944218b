#!/bin/sh
# Proves an upgrade with the programs themselves: builds the version of $OLD (the commit before this one, unless it is
# named) from git beside this one, and plays the story of tests/src/bin/upgrade.rs with both.
#
# It needs the history of git and the time of a second build, so it is no part of `make test`. There a store test plays
# the newer schema by hand. The old build is kept for the next time.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target}
old=$(git -C "$root" rev-parse --verify "${OLD:-HEAD~1}^{commit}")
place=$target_dir/upgrade/$old

if [ ! -x "$place/farwatch" ]; then
    mkdir -p "$place"
    git -C "$root" archive "$old" | (mkdir -p "$place/source" && tar -x -C "$place/source")
    old_target=$target_dir/upgrade/target
    (
        cd "$place/source"
        export CARGO_TARGET_DIR="$old_target" FARWATCH_MODULES_DIR="$old_target/modules"
        setup/build-guests.sh
        cargo build --profile ci --locked --workspace --all-targets
    )
    cp "$old_target/ci/farwatch" "$place/farwatch"
    rm -rf "$place/source"
fi
echo "the old program is that of $(git -C "$root" log -1 --format='%h (%s)' "$old")"
exec "$target_dir/ci/upgrade" "$place/farwatch"
