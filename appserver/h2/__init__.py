"""HTTP/2: the choice of the engine, said and never silent."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from appserver.errors import ConfigError

if TYPE_CHECKING:
    from appserver.h2.engine import Engine

__all__ = ["describe", "load_engine", "missing_limiters"]


def _kernel() -> tuple[type[Engine] | None, str]:
    # Imported here: only the chosen engine costs a worker its memory.
    try:
        kernel = importlib.import_module("appserver.h2.kernel")
    except ImportError as error:
        return None, f"the kernel cannot be imported: {error}"
    return kernel.Engine, f"libnghttp2 {kernel.nghttp2_version()}"


def load_engine(wish: str) -> tuple[type[Engine], str, str]:
    """Return (engine, its name, why it was chosen) for `auto`, `kernel` or `pure`.

    Raises ConfigError if the kernel is asked for by name and was not built.
    """
    reason = "asked for"
    if wish != "pure":
        kernel, why = _kernel()
        if kernel is not None:
            return kernel, "kernel", why
        if wish == "kernel":
            raise ConfigError(
                f"h2.engine = kernel: {why}; build it (make setup, needs a C compiler and libnghttp2-dev) "
                "or choose --h2-engine pure"
            )
        reason = why
    return importlib.import_module("appserver.h2.pure").Engine, "pure", reason


# What is not stopped by the library where it lacks a limiter; our own limits hold in any case.
CONSEQUENCES = {
    "stream_reset_rate_limit": "rapid resets are not limited (CVE-2023-44487)",
    "max_continuations": "CONTINUATION frames are limited by our own count only",
    "glitch_rate_limit": "floods of malformed requests, PRIORITY or empty frames are not limited",
}


def missing_limiters(engine: str) -> dict[str, str]:
    """Return what the loaded libnghttp2 cannot limit, and what follows from it; nothing for the pure engine."""
    if engine != "kernel":
        return {}
    there = importlib.import_module("appserver.h2.kernel").limiters()
    return {name: text for name, text in CONSEQUENCES.items() if not there[name]}


def describe() -> dict[str, str]:
    """Return what `appserver --version` says: engine, reason, nghttp2 and compiled."""
    engine, name, reason = load_engine("auto")
    del engine
    contract = importlib.import_module("appserver.contract")
    compiled = not (contract.__file__ or "").endswith(".py")
    version = importlib.import_module("appserver.h2.kernel").nghttp2_version() if name == "kernel" else "none"
    return {
        "engine": name,
        "reason": reason,
        "nghttp2": version,
        "compiled": "compiled" if compiled else "not compiled",
    }
