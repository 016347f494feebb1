#!/usr/bin/env bash
# Run the unit and engine suites on a copy of the tree that is built in another way.
#   tools/leg.sh uncompiled   plain Python sources, no extension at all
#   tools/leg.sh nghttp2      the kernel built against, and run on, Debian testing's libnghttp2
set -euo pipefail
cd "$(dirname "$0")/.."

leg=${1:?uncompiled or nghttp2}
python=$PWD/${VENV:-.venv}/bin/python
tree=$PWD/build/$leg
"$python" tools/export.py "$tree"

case $leg in
uncompiled) export EXPECT_BUILD=uncompiled LASTHOP_ENGINES=pure ;;
nghttp2)
    prefix=$(tools/nghttp2.sh)
    export EXPECT_BUILD=kernel LASTHOP_ENGINES=kernel,pure NGHTTP2_PREFIX=$prefix LD_LIBRARY_PATH=$prefix/lib
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
suites=()
for suite in tests/unit tests/engines; do
    if [ -d "$suite" ]; then suites+=("$suite"); fi
done
echo "==> $leg: ${suites[*]}"
PYTHONPATH=$tree "$python" -m pytest -q -p no:cacheprovider "${suites[@]}"
