"""The kernel: an HTTP/2 engine over libnghttp2, inside the event loop. Importable only where it was built."""

from appserver.h2.kernel._kernel import Engine, limiters, nghttp2_version

__all__ = ["Engine", "limiters", "nghttp2_version"]
