"""What becomes of a request head: one of these, or the HTTP status to answer with."""

from __future__ import annotations

__all__ = ["DROP_CONNECTION", "OK", "RESET"]

OK = 0
"""Nothing is wrong with it."""
RESET = 1
"""It is malformed: over HTTP/2 its stream is reset (RFC 9113 8.1.1), over HTTP/1.1 the answer is 400."""
DROP_CONNECTION = 2
"""The peer is abusive: its connection is ended."""
