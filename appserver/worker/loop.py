"""Which event loop, and how to say so."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable

from appserver.errors import ConfigError

__all__ = ["choose_loop"]

Factory = Callable[[], asyncio.AbstractEventLoop]


def choose_loop(wish: str) -> tuple[Factory, str]:
    """Return a loop factory and its name; `auto` takes uvloop if it is installed.

    Raises ConfigError if uvloop is asked for by name and is missing.
    """
    if wish != "asyncio":
        try:
            uvloop = importlib.import_module("uvloop")
        except ImportError as error:
            if wish == "uvloop":
                raise ConfigError(f"server.loop = uvloop: {error}; install it (pip install uvloop) or --loop asyncio") from None
        else:
            return uvloop.new_event_loop, f"uvloop {uvloop.__version__}"
    return asyncio.new_event_loop, "asyncio"
