#!/usr/bin/env bash
# Proves the two commands on a bare Debian: debootstrap into a folder, a clone of this repository, the
# host's Rust toolchain, then `make demo` and `make test` inside. By hand and as root, not in CI.
set -euo pipefail

[ "$(id -u)" -eq 0 ] || { echo "fresh: run it as root; it makes a Debian in a folder" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "fresh: apt-get install debootstrap" >&2; exit 69; }
repository=$(cd "$(dirname "$0")/.." && pwd)
root=${FRESH_ROOT:-$(mktemp -d /var/tmp/farwatch-fresh.XXXXXX)}
# It becomes the root of a system in which not everybody is root.
chmod 755 "$root"
echo "fresh: a bare Debian in $root"

mirror=$(find /etc/apt -maxdepth 2 \( -name '*.list' -o -name '*.sources' \) -exec \
  awk '/^(deb |URIs:)/ { for (i = 1; i <= NF; i++) if ($i ~ /^https?:.*debian\/?$/) print $i }' {} + | head -n 1)
debootstrap --variant=minbase --include=ca-certificates,make,git bookworm "$root" "$mirror"
rm -f "$root/etc/apt/sources.list"
cp -a /etc/apt/sources.list* "$root/etc/apt/"
for file in apt.conf apt.conf.d; do [ -e "/etc/apt/$file" ] && cp -a "/etc/apt/$file" "$root/etc/apt/"; done
cp /etc/resolv.conf "$root/etc/resolv.conf"
# The registries may stand behind an authority that only this machine trusts.
mkdir -p "$root/usr/local/share/ca-certificates"
find /usr/local/share/ca-certificates -name '*.crt' -exec cp -t "$root/usr/local/share/ca-certificates" {} + 2>/dev/null || true

toolchain=$(rustc --print sysroot)
home=/home/newcomer
mkdir -p "$root/opt/rust" "$root/src" "$root$home/.cargo"
cp -a "$toolchain/." "$root/opt/rust/"
[ -e "$HOME/.cargo/config.toml" ] && cp "$HOME/.cargo/config.toml" "$root$home/.cargo/"
[ -e "$HOME/.config/pip" ] && mkdir -p "$root$home/.config" && cp -a "$HOME/.config/pip" "$root$home/.config/"
[ -e /etc/pip.conf ] && cp /etc/pip.conf "$root/etc/"
git clone --quiet "$repository" "$root/src/farwatch"

for mount in proc sys dev; do mount --rbind "/$mount" "$root/$mount"; mount --make-rslave "$root/$mount"; done
trap 'for mount in proc sys dev; do umount -R "$root/$mount" || true; done' EXIT
inside() { chroot "$root" /usr/bin/env -i HOME="$home" PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
  "${FRESH_ENV[@]}" bash -ec "cd /src/farwatch && $1"; }
FRESH_ENV=()
while IFS= read -r line; do FRESH_ENV+=("$line"); done < <(env | grep -E '^(https?_proxy|HTTPS?_PROXY|no_proxy|PIP_|CARGO_(HTTP|NET|REGISTRIES|SOURCE))' || true)
inside 'update-ca-certificates >/dev/null; apt-get -qq update'
inside 'make demo'
inside 'make test'
echo "fresh: make demo and make test passed in $root"
