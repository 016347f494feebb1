#!/usr/bin/env bash
# Make the virtual environment, install the project into it and build the kernel in place.
#   tools/setup.sh [demo|dev]     VENV=.venv  PYTHON=  APPSERVER_BUILD=auto|kernel|pure  NGHTTP2_PREFIX=
# Idempotent: each step is keyed by what goes into it, so a second run takes well under a second.
set -euo pipefail
cd "$(dirname "$0")/.."

group=${1:-dev}
venv=${VENV:-.venv}
mkdir -p build
log=build/setup-$(basename "$venv").log
: >"$log"
say() { printf '==> %s\n' "$*"; }
fail() {
    tail -n 20 "$log" >&2
    echo "setup: $*; the whole log is in $log" >&2
    exit 1
}

# Run a command into the log; on a terminal its last line is shown as it changes, elsewhere a sign of life.
quietly() {
    local last=$SECONDS line status
    set +e
    "$@" 2>&1 | while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        [ -n "${line// /}" ] || continue
        if [ -t 1 ]; then
            printf '\r\033[K    %.100s' "$line"
        elif [ $((SECONDS - last)) -ge 10 ]; then
            last=$SECONDS
            printf '    %.100s\n' "$line"
        fi
    done
    status=${PIPESTATUS[0]}
    set -e
    [ -t 1 ] && printf '\r\033[K'
    return "$status"
}

# A step's stamp is the hash of its inputs: done if it is what was there when the step last succeeded.
done_before() { [ "$(cat "$venv/.stamp-$1" 2>/dev/null)" = "$2" ]; }
mark_done() { printf '%s\n' "$2" >"$venv/.stamp-$1"; }
hash_of() { sha256sum "$@" | sha256sum | cut -c1-64; }

make_venv() {
    local base="" wanted
    if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        [ -z "${PYTHON:-}" ] && return
        wanted=$(tools/find_python.sh --any 2>/dev/null) || wanted=""
        base=$("$venv/bin/python" -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
        [ "$base" = "$(realpath "${wanted:-/nonexistent}")" ] && return
    fi
    tools/packages.sh python || true
    wanted=$(tools/find_python.sh 2>>"$log") || wanted=$(tools/find_python.sh --any) || {
        echo "setup: no usable Python${PYTHON:+ ($PYTHON)}. 3.11 to 3.14 with ensurepip is needed;" >&2
        echo "on Debian: apt-get install python3 python3-venv python3-dev; another one: make setup PYTHON=/path/to/python" >&2
        exit 1
    }
    say "$venv on $wanted ($("$wanted" -c 'import platform; print(platform.python_version())'))"
    rm -rf "$venv"
    quietly "$wanted" -m venv "$venv" || fail "the virtual environment could not be made"
}

install_dependencies() {
    local key
    key="$(hash_of pyproject.toml) $(realpath "$venv")"
    done_before dev "$key" && return
    done_before "$group" "$key" && return
    say "dependencies ($group)"
    quietly "$venv/bin/python" -m pip install --upgrade "pip>=25.1" || fail "pip could not be upgraded"
    quietly "$venv/bin/python" -m pip install --group build || fail "the build requirements could not be installed"
    # Pure here: the extension is built below, in place, where its own errors can be shown.
    APPSERVER_BUILD=pure quietly "$venv/bin/python" -m pip install --no-build-isolation --group "$group" \
        --editable ".[uvloop,proxyconf,caddy]" || fail "the dependencies could not be installed"
    mark_done "$group" "$key"
}

kernel_inputs() {
    find appserver \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.h' \) -print
    "$venv/bin/python" tools/compiled.py
    echo setup.py
}

build_kernel() {
    local inputs key wish=${APPSERVER_BUILD:-auto}
    mapfile -t inputs < <(kernel_inputs | sort -u)
    key="$(hash_of "${inputs[@]}") $wish ${NGHTTP2_PREFIX:-system}"
    if done_before kernel "$key" && "$venv/bin/python" tools/compiled.py --check "$wish"; then
        return
    fi
    if [ "$wish" = auto ] && ! tools/packages.sh build; then
        say "going on with the pure engine (APPSERVER_BUILD=pure)"
        wish=pure
    fi
    "$venv/bin/python" tools/compiled.py --remove
    if [ "$wish" != pure ]; then
        say "kernel"
        APPSERVER_BUILD=$wish quietly "$venv/bin/python" setup.py build_ext --inplace --parallel "$(nproc)" ||
            fail "the kernel could not be built"
        if ! "$venv/bin/python" tools/compiled.py --check kernel; then
            grep 'kernel is not built' "$log" || true
            say "going on with the pure engine"
        fi
    fi
    # A pure build for want of a compiler is no result to keep: the next run looks again.
    if [ "$wish" = "${APPSERVER_BUILD:-auto}" ]; then mark_done kernel "$key"; fi
}

make_venv
install_dependencies
build_kernel
