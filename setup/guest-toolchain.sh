#!/bin/sh
# Finds a compiler for the guests, which are built for wasm32-unknown-unknown, or gets one.
#
# Prints shell assignments for `eval`: GUEST_CARGO and GUEST_RUSTC (programs), GUEST_BUILD_STD (empty, or the flag that
# builds the standard library along), GUEST_LINKER (a linker, or empty for the compiler's own) and GUEST_SYSROOT_SOURCES
# (where the standard library's sources are, for leaving that path out of what is built). Everything else goes to
# standard error. In order of preference: rustup's target where it is installed; rustup's target, added; Debian's
# packages `rustc-web`, `cargo-web` and `rust-web-src`. It refuses to download a whole toolchain.
#
# FARWATCH_GUEST_TOOLCHAIN=rustup or =debian tries only that one.
set -eu

target=wasm32-unknown-unknown
# Without a route to rustup's server the download would wait for minutes.
add_seconds=60
only=${FARWATCH_GUEST_TOOLCHAIN:-any}

say() {
    echo "guest-toolchain: $*" >&2
}

answer() {
    printf "GUEST_CARGO='%s'\nGUEST_RUSTC='%s'\nGUEST_BUILD_STD='%s'\nGUEST_LINKER='%s'\nGUEST_SYSROOT_SOURCES='%s'\n" "$@"
    exit 0
}

rustup_has_target() {
    command -v rustc >/dev/null || return 1
    sysroot=$(rustc --print sysroot 2>/dev/null) || return 1
    set -- "$sysroot/lib/rustlib/$target/lib/libstd-"*.rlib
    [ -e "$1" ]
}

rustup_adds_target() {
    command -v rustup >/dev/null || return 1
    say "adding rustup's target $target"
    timeout "$add_seconds" rustup target add "$target" >&2 || return 1
    rustup_has_target
}

answer_rustup() {
    commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
    answer "$(command -v cargo)" "$(command -v rustc)" '' '' "/rustc/$commit"
}

debian_packages='rustc-web cargo-web rust-web-src lld'

debian_has_packages() {
    [ "$(dpkg-query -W -f '${Status}\n' $debian_packages 2>/dev/null | grep -c ' installed$')" = 4 ]
}

debian_adds_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "installing $debian_packages"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get install -y -qq --no-install-recommends $debian_packages >&2 ||
        { apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends $debian_packages >&2; } || return 1
    debian_has_packages
}

# rustc-web comes without a linker for WASM, and the linker must be no older than the compiler by much: rustup's own,
# where there is a rustup, else the one beside the LLVM that rustc-web was made with, else Debian's.
debian_linker() {
    for linker in \
        "$(rustc --print sysroot 2>/dev/null || true)"/lib/rustlib/*/bin/rust-lld \
        /usr/lib/llvm-*/bin/wasm-ld /usr/lib/rust-web*/bin/wasm-ld /usr/bin/rust-lld /usr/bin/wasm-ld
    do
        if [ -x "$linker" ]; then
            echo "$linker"
            return 0
        fi
    done
    return 1
}

answer_debian() {
    linker=$(debian_linker) || return 1
    answer /usr/bin/cargo /usr/bin/rustc '-Zbuild-std=std,panic_abort' "$linker" "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust"
}

if [ "$only" != debian ]; then
    if rustup_has_target; then answer_rustup; fi
    if rustup_adds_target; then answer_rustup; fi
fi
if [ "$only" != rustup ]; then
    if debian_has_packages || debian_adds_packages; then answer_debian || true; fi
fi
say "no compiler for $target: run \`rustup target add $target\`, or as root on Debian \`apt-get install $debian_packages\`"
exit 1
