"""The compiled half of `appserver`; everything else is in pyproject.toml.

APPSERVER_BUILD=auto (default) builds what it can, kernel fails where it cannot, pure builds nothing.
NGHTTP2_PREFIX names an unpacked libnghttp2 (include/, lib/) to use in place of the system's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup

# Request-path modules: plain Python, each with a .pxd beside it.
COMPILED = [
    "appserver.accepted",
    "appserver.contract",
    "appserver.http.grammar",
    "appserver.http.field",
    "appserver.http.body",
    "appserver.http.forwarded",
    "appserver.http.forwarded_element",
    "appserver.http.forwarding",
    "appserver.http.limits",
    "appserver.http.priority",
    "appserver.http.message",
    "appserver.http.reply",
    "appserver.net.peer",
    "appserver.http.answer",
    "appserver.h2.connection",
    "appserver.h2.growth",
    "appserver.h1.connection",
    "appserver.h1.fields",
    "appserver.h1.head",
    "appserver.h1.chunks",
    "appserver.h1.body",
    "appserver.h1.states",
    "appserver.h1.wire",
    "appserver.h1.stream",
    "appserver.ws.masking",
    "appserver.ws.codec",
    "appserver.ws.session",
    "appserver.apps.asgi.host",
    "appserver.apps.asgi.application",
    "appserver.apps.asgi.conversation",
    "appserver.apps.asgi.exchange",
    "appserver.apps.asgi.websocket",
    "appserver.apps.asgi.scope",
    "appserver.apps.asgi.awaitables",
    "appserver.ops.access",
]
KERNEL = "appserver.h2.kernel._kernel"


def missing() -> str:
    """Return what keeps the extension from being built, or an empty string."""
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler.split()[0]) is None:
        return f"no C compiler ({compiler})"
    prefix = os.environ.get("NGHTTP2_PREFIX")
    flags = ["-I", f"{prefix}/include"] if prefix else []
    probe = "#include <Python.h>\n#include <nghttp2/nghttp2.h>\n"
    import sysconfig

    include = sysconfig.get_path("include")
    done = subprocess.run(
        [*compiler.split(), "-I", include, *flags, "-E", "-x", "c", "-"],
        input=probe, text=True, capture_output=True, check=False,
    )
    if done.returncode == 0:
        return ""
    return next((line for line in done.stderr.splitlines() if "error" in line), "the compiler failed")

def extensions() -> list:
    """Return the extensions to build, or none with the reason on stderr."""
    wish = os.environ.get("APPSERVER_BUILD", "auto")
    if wish == "pure":
        return []
    reason = missing()
    if reason:
        if wish == "kernel":
            sys.exit(f"APPSERVER_BUILD=kernel, but {reason}; on Debian: apt-get install gcc python3-dev libnghttp2-dev")
        print(f"appserver: the kernel is not built ({reason}); the pure engine will be used", file=sys.stderr)
        return []
    from Cython.Build import cythonize
    from setuptools import Extension

    prefix = os.environ.get("NGHTTP2_PREFIX")
    nghttp2 = {
        "libraries": ["nghttp2"],
        "include_dirs": [f"{prefix}/include"] if prefix else [],
        "library_dirs": [f"{prefix}/lib"] if prefix else [],
    }
    # Without debug symbols: they are most of what a compiler writes here.
    flags = ["-O3", "-g0", "-fno-semantic-interposition", "-fstack-protector-strong"]
    modules = [
        Extension(name, [source], extra_compile_args=flags)
        for name in COMPILED
        if Path(source := name.replace(".", "/") + ".py").exists()
    ]
    modules.append(Extension(KERNEL, [KERNEL.replace(".", "/") + ".pyx"], extra_compile_args=flags, **nghttp2))
    return cythonize(
        modules,
        build_dir="build/cython",
        nthreads=os.cpu_count() or 1,
        compiler_directives={"language_level": 3, "annotation_typing": False, "embedsignature": False, "binding": False},
    )

# A wheel is built as quickly as in place.
setup(ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count() or 1}})
