#!/usr/bin/env bash
# Install the Debian packages that are missing for what is about to be done, or say which they are.
#   tools/packages.sh python|build|test|browser|containers|h2spec|bench ...
# As root on Debian or Ubuntu: apt-get, with `apt-get update` only if the install fails without it.
# Otherwise: one line naming the packages, and exit 1.
set -u
cd "$(dirname "$0")/.." || exit 1

missing=()
need() { # need PACKAGE COMMAND...: the package is missing if the command fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
has_header() { echo "#include <$1>" | "${CC:-cc}" -E -x c - ; }
docker_answers() { curl -sf --unix-socket /var/run/docker.sock http://d/_ping >/dev/null 2>&1; }
has_libc() { has_header stdio.h; }
has_nghttp2() { [ -n "${NGHTTP2_PREFIX:-}" ] || has_header nghttp2/nghttp2.h; }

for purpose in "$@"; do
    case $purpose in
    python)
        if ! tools/find_python.sh; then
            missing+=(python3 python3-dev python3-venv)
        fi >/dev/null 2>&1
        ;;
    build)
        need gcc command -v "${CC:-cc}"
        need libc6-dev has_libc
        need libnghttp2-dev has_nghttp2
        ;;
    test)
        need gcc command -v "${CC:-cc}"
        need libc6-dev has_libc
        need nghttp2-client command -v h2load
        need curl command -v curl
        need git command -v git
        # Other releases of Debian in a folder, for the proxies that the proofs run on; only root can enter them.
        [ "$(id -u)" -ne 0 ] || need debootstrap command -v debootstrap
        ;;
    browser) need chromium command -v chromium ;;
    containers)
        # An engine that runs is as good as one that can be started.
        if ! docker_answers; then
            need docker.io command -v dockerd
            need containerd command -v containerd
            need runc command -v runc
        fi
        ;;
    h2spec) need golang-go command -v go ;;
    bench)
        need gcc command -v "${CC:-cc}"
        need libc6-dev has_libc
        need nghttp2-server command -v nghttpd
        ;;
    *)
        echo "packages.sh: no such purpose: $purpose" >&2
        exit 2
        ;;
    esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing for $*: ${missing[*]} (Debian's names). Install them, e.g.: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "==> apt-get install ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -q --no-install-recommends "${missing[@]}"; }
mkdir -p build
log=build/apt.log
if install >"$log" 2>&1 || { apt-get update -q && install; } >>"$log" 2>&1; then
    exit 0
fi
tail -n 15 "$log" >&2
echo "apt-get could not install ${missing[*]}; the whole log is in $log" >&2
exit 1
