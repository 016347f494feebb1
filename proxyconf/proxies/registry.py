"""The proxies that can be rendered: every package in `proxyconf.proxies` that holds `PROXY`."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from proxyconf import proxies
from proxyconf.proxies.contract import Proxy

__all__ = ["names", "proxy"]


@cache
def names() -> tuple[str, ...]:
    """Return the names of the proxies."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(proxies.__path__) if module.ispkg))


@cache
def proxy(name: str) -> Proxy[Any]:
    """Return a proxy by its name."""
    found: Proxy[Any] = import_module(f"{proxies.__name__}.{name}").PROXY
    return found
