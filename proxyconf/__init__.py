"""The proxy's configuration and the app server's, rendered from one site file."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version

__all__ = ["__version__"]

try:
    __version__ = _version("lasthop")
except PackageNotFoundError:  # a checkout on the path, not installed
    __version__ = "0+checkout"
