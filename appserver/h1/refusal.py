"""The answers that a connection gives by itself: for what never becomes a request, or comes too slowly."""

from __future__ import annotations

import time
from http import HTTPStatus

from appserver.h1.stream import status_line
from appserver.http.dates import http_date

__all__ = ["refusal"]


def refusal(status: int, bodiless: bool) -> bytes:
    """Return a whole response that closes the connection; the reason goes to the log, not to the client."""
    text = f"{status} {HTTPStatus(status).phrase}\n"
    head = (
        f"date: {http_date(time.time())}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        f"content-length: {len(text)}\r\nconnection: close\r\n\r\n"
    )
    return status_line(status) + (head if bodiless else head + text).encode("ascii")
