#!/bin/sh
# Print the interpreter that .venv should be made on, and why others were passed over (stderr).
# PYTHON= chooses; otherwise the newest of python3.14 ... 3.11 on PATH, under pyenv, and python3.
# `--any` also takes one that cannot build extensions (no Python.h); `--minor N` wants Python 3.N.
set -u

minors="14 13 12 11"
if [ "${1:-}" = --minor ]; then
    minors=$2
    shift 2
fi

probe='
import os, sys, sysconfig
import ensurepip, ssl, venv
if not (3, 11) <= sys.version_info < (3, 15):
    sys.exit("3.11 to 3.14 is needed")
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
if "--any" not in sys.argv and not os.path.exists(headers):
    sys.exit("no " + headers)
print(sys.executable)
'

candidates() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" || echo "$PYTHON"
        return
    fi
    for minor in $minors; do
        command -v "python3.$minor"
        for found in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.$minor.*/bin/python3.$minor; do
            [ -x "$found" ] && echo "$found"
        done
        [ -x "/usr/bin/python3.$minor" ] && echo "/usr/bin/python3.$minor"
    done
    [ "$minors" = "14 13 12 11" ] && command -v python3
}

tried=""
for candidate in $(candidates); do
    case " $tried " in *" $candidate "*) continue ;; esac
    tried="$tried $candidate"
    if answer=$("$candidate" -c "$probe" "$@" 2>&1); then
        printf '%s\n' "$answer"
        exit 0
    fi
    case "$answer" in
    Traceback*) reason=$(printf '%s' "$answer" | tail -n 1) ;;
    *) reason=$(printf '%s' "$answer" | head -n 1) ;;
    esac
    echo "  not $candidate: $reason" >&2
done
exit 1
