#!/bin/sh
# Builds the guests into components, as modules/http.wasm and so on below the target directory: the built-in checks, and
# the hostile ones that the sandbox is tested with, and one that stories bring as a customer would.
#
# Quick when nothing changed: a stamp holds what the components were made of. It runs no tests, and it builds nothing of
# the product.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target}
modules=$target_dir/modules
stamp=$modules/stamp

# Every folder of checks-wasm but the one that they share is a check.
checks=$(cd "$root/checks-wasm" && for manifest in */Cargo.toml; do
    check=${manifest%/Cargo.toml}
    [ "$check" = guest ] || echo "$check"
done)

# Those that misbehave, for the tests, and one that a customer might bring.
others="hostile hostile-wasi brought"

# The stack of a guest in its own memory, in bytes. It lies before all data, so a guest that needs more traps. Stack, data
# and what a usual run allocates are what the sandbox cleans cheaply (MEMORY_KEEP_RESIDENT in sandbox/src/engine.rs).
stack_bytes=16384

answers=$("$root/setup/guest-toolchain.sh" --print)
eval "$answers"

sources() {
    find "$root/wit" "$root/checks-wasm" "$root/tests/hostile/src" "$root/tests/hostile/Cargo.toml" \
        "$root/tests/hostile-wasi" "$root/tests/brought" "$root/setup/componentize" \
        "$root/setup/build-guests.sh" "$root/setup/guest-rustc.sh" -type f ! -path '*/target/*' | LC_ALL=C sort
}

# The names and contents of the sources, and the tools.
fingerprint() {
    {
        sources | while read -r file; do sha256sum "$file"; done | sed "s|$root/||"
        "$GUEST_RUSTC" -vV
        "$GUEST_CARGO" -V
        echo "$answers"
    } | sha256sum
}

now=$(fingerprint)
are_there() {
    [ -f "$modules/checks" ] || return 1
    for guest in $checks $others; do [ -f "$modules/$guest.wasm" ] || return 1; done
}
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ] && are_there; then
    exit 0
fi
mkdir -p "$modules"
rm -f "$stamp"

flags="-C link-arg=-zstack-size=$stack_bytes"
if [ -n "$GUEST_LINKER" ]; then
    flags="$flags -C linker-flavor=wasm-ld"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$GUEST_LINKER"
fi

guests_dir=$target_dir/guests
bootstrap=
if [ -n "$GUEST_BUILD_STD" ]; then
    # The switch that lets a stable compiler build its own standard library.
    bootstrap=RUSTC_BOOTSTRAP=1
    guests_dir=$target_dir/guests-std
fi
(
    cd "$root/checks-wasm"
    env $bootstrap GUEST_RUSTC="$GUEST_RUSTC" GUEST_ROOT="$root" GUEST_SYSROOT_SOURCES="$GUEST_SYSROOT_SOURCES" \
        RUSTC="$root/setup/guest-rustc.sh" RUSTFLAGS="$flags" CARGO_TARGET_DIR="$guests_dir" \
        "$GUEST_CARGO" build --release --locked $GUEST_BUILD_STD --target wasm32-unknown-unknown
)

(cd "$root/setup/componentize" && cargo build --quiet --locked --target-dir "$target_dir/componentize")
componentize=$target_dir/componentize/debug/farwatch-componentize
built=$guests_dir/wasm32-unknown-unknown/release
for check in $checks; do
    "$componentize" "$built/farwatch_check_$(echo "$check" | tr - _).wasm" "$modules/$check.wasm"
done
for guest in $others; do
    "$componentize" "$built/farwatch_$(echo "$guest" | tr - _).wasm" "$modules/$guest.wasm"
done
# What the control plane embeds.
echo "$checks" > "$modules/checks"
echo "$now" > "$stamp"
ls -l "$modules"
