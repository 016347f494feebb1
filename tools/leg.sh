#!/usr/bin/env bash
# Run the suites that can tell the difference on a copy of the tree that is built in another way.
#   tools/leg.sh uncompiled   plain Python sources, no extension at all: what is compiled elsewhere
#   tools/leg.sh nghttp2      the kernel built against, and run on, Debian testing's libnghttp2: what calls it
set -euo pipefail
cd "$(dirname "$0")/.."

leg=${1:?uncompiled or nghttp2}
python=$PWD/${VENV:-.venv}/bin/python
tree=$PWD/build/$leg
"$python" tools/export.py "$tree"

case $leg in
uncompiled)
    export EXPECT_BUILD=uncompiled LASTHOP_ENGINES=pure
    # All but what is plain Python in every build.
    suites=(tests/engines tests/unit --ignore=tests/unit/{proxyconf,bench,h2spec,tools})
    ;;
nghttp2)
    prefix=$(tools/nghttp2.sh)
    export EXPECT_BUILD=kernel LASTHOP_ENGINES=kernel NGHTTP2_PREFIX=$prefix LD_LIBRARY_PATH=$prefix/lib
    suites=(tests/engines tests/unit/h2 tests/unit/worker tests/unit/test_cli.py)
    echo "==> kernel against $prefix"
    (cd "$tree" && APPSERVER_BUILD=kernel "$python" setup.py -q build_ext --inplace --parallel "$(nproc)") \
        >build/leg-nghttp2.log 2>&1 || {
        tail -n 20 build/leg-nghttp2.log >&2
        exit 1
    }
    ;;
*)
    echo "leg.sh: no such leg: $leg" >&2
    exit 2
    ;;
esac

cd "$tree"
echo "==> $leg: ${suites[*]}"
PYTHONPATH=$tree "$python" -m pytest -q -p no:cacheprovider -n auto --maxprocesses 8 --dist loadfile "${suites[@]}"
