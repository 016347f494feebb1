#!/usr/bin/env bash
# Unpack Debian testing's libnghttp2 (library, headers, static library) into a cache; print its prefix.
# The mirror is DEBIAN_MIRROR or the one of the machine's own apt sources; those are never changed.
set -euo pipefail

release=${NGHTTP2_RELEASE:-forky}
arch=$(dpkg --print-architecture)
cache=${LASTHOP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lasthop}/nghttp2/$release-$arch
if [ -f "$cache/.complete" ]; then
    echo "$cache"
    exit 0
fi

mirror() {
    if [ -n "${DEBIAN_MIRROR:-}" ]; then
        echo "$DEBIAN_MIRROR"
        return
    fi
    {
        sed -nE 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p' /etc/apt/sources.list.d/*.sources || true
        sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' \
            /etc/apt/sources.list /etc/apt/sources.list.d/*.list || true
    } 2>/dev/null | grep -v security | grep -m 1 '/debian/*$'
}

base=$(mirror) || {
    echo "nghttp2.sh: no Debian mirror in the machine's apt sources; name one with DEBIAN_MIRROR=" >&2
    exit 1
}
base=${base%/}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() { curl -fsS --retry 2 --max-time 120 -o "$2" "$base/$1"; }

echo "==> libnghttp2 of Debian $release" >&2
fetch "dists/$release/main/binary-$arch/Packages.xz" "$work/Packages.xz"
xz -dc "$work/Packages.xz" >"$work/Packages"

mkdir -p "$work/root"
for package in libnghttp2-14 libnghttp2-dev; do
    read -r path digest < <(awk -v want="$package" '
        /^Package: / { name = $2 }
        /^Filename: / && name == want { path = $2 }
        /^SHA256: / && name == want { digest = $2 }
        END { print path, digest }' "$work/Packages")
    fetch "$path" "$work/$package.deb"
    echo "$digest  $work/$package.deb" | sha256sum --check --quiet >&2
    dpkg-deb -x "$work/$package.deb" "$work/root"
done

mkdir -p "$work/prefix"
cp -a "$work/root/usr/include" "$work/prefix/include"
cp -a "$work"/root/usr/lib/*-linux-gnu* "$work/prefix/lib"
touch "$work/prefix/.complete"
mkdir -p "$(dirname "$cache")"
rm -rf "$cache"
mv "$work/prefix" "$cache"
sed -nE 's/^#define NGHTTP2_VERSION "(.*)"/==> libnghttp2 \1/p' "$cache/include/nghttp2/nghttp2ver.h" >&2
echo "$cache"
