#!/bin/sh
# Finds a compiler for the guests, which are built for wasm32-unknown-unknown, or gets one.
#
# With --print it prints shell assignments for `eval`: GUEST_CARGO and GUEST_RUSTC (programs), GUEST_BUILD_STD (empty, or the flag that
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
print=no
if [ "${1:-}" = --print ]; then print=yes; fi

say() {
    echo "guest-toolchain: $*" >&2
}

answer() {
    if [ "$print" = no ]; then exit 0; fi
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

# The linker comes from LLVM, whose versions need not agree here: the compiler optimizes everything into one file, and
# the linker only lays it out. rustup's own is taken where there is a rustup.
debian_linker() {
    for linker in \
        "$(rustc --print sysroot 2>/dev/null || true)"/lib/rustlib/*/bin/rust-lld /usr/bin/rust-lld /usr/bin/wasm-ld
    do
        if [ -x "$linker" ]; then
            echo "$linker"
            return 0
        fi
    done
    return 1
}

debian_has_packages() {
    for package in rustc-web cargo-web rust-web-src; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || return 1
    done
    debian_linker >/dev/null
}

debian_adds_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "installing $debian_packages"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    install="apt-get install -y -qq --no-install-recommends $debian_packages"
    $install >&2 || { apt-get update -qq >&2 && $install >&2; } || return 1
    debian_has_packages
}

answer_debian() {
    answer /usr/bin/cargo /usr/bin/rustc '-Zbuild-std=std,panic_abort' "$(debian_linker)" \
        "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust"
}

if [ "$only" != debian ]; then
    if rustup_has_target; then answer_rustup; fi
    if rustup_adds_target; then answer_rustup; fi
fi
if [ "$only" != rustup ]; then
    if debian_has_packages || debian_adds_packages; then answer_debian; fi
fi
say "no compiler for $target: run \`rustup target add $target\`, or as root on Debian \`apt-get install $debian_packages\`"
exit 1
