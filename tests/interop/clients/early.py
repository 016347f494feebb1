"""Uploads argv[2] bytes (0: without an end) to argv[1] over cleartext HTTP/2, or argv[3], and says which answer came."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import httpx


def zeros(size: int) -> Iterator[bytes]:
    sent = 0
    while not size or sent < size:
        piece = bytes(min(16_384, size - sent) if size else 16_384)
        sent += len(piece)
        yield piece


def main() -> int:
    url, size = sys.argv[1], int(sys.argv[2])
    headers = {"content-length": str(size)} if size else {}
    http1 = sys.argv[3:] == ["h1"]
    with httpx.Client(http1=http1, http2=not http1, timeout=20) as client:
        try:
            answer = client.post(url, content=zeros(size), headers=headers)
        except httpx.HTTPError as error:
            print("failed:", type(error).__name__, error)
            return 1
    print(answer.status_code, len(answer.content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
