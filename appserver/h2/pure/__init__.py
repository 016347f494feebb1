"""The pure engine: HTTP/2 over the `h2` package; the executable specification of the seam."""

from appserver.h2.pure.engine import Engine

__all__ = ["Engine"]
