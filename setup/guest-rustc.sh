#!/bin/sh
# The guests' compiler, with every path of this machine left out of what it builds, so that everybody builds the same
# bytes. Such flags cannot go through RUSTFLAGS: cargo mixes those into the names of symbols.
#
# For `build-guests.sh` alone, which sets GUEST_RUSTC, GUEST_ROOT and GUEST_SYSROOT_SOURCES.
exec "$GUEST_RUSTC" "$@" \
    --remap-path-prefix="$GUEST_ROOT=/farwatch" \
    --remap-path-prefix="${CARGO_HOME:-$HOME/.cargo}=/cargo" \
    --remap-path-prefix="$GUEST_SYSROOT_SOURCES=/rust"
