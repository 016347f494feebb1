"""The scenarios: what h2load asks for, and what must come back."""

from __future__ import annotations

from dataclasses import dataclass

from bench.apps import HELLO, MEBIBYTE

__all__ = ["GET_RUNS", "POST_BODY", "QUICK", "SCENARIOS", "Scenario", "named"]

POST_BODY = bytes(range(256)) * 256
"""64 KiB."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load: `clients` connections with `streams` requests in flight on each.

    Scenarios with the same `app` are put to the same server process, one after the other.
    `limit` says that nghttpd can serve it, from a file.
    """

    id: str
    title: str
    app: str
    protocol: str
    clients: int
    streams: int
    answer: bytes
    post: bool = False
    limit: bool = False

    @property
    def http1(self) -> bool:
        """Whether it is HTTP/1.1."""
        return self.protocol == "h1"

    def sized(self, rate: float, seconds: float) -> int:
        """Return how many requests last about so many seconds at that rate; each connection has its share."""
        share = round(rate * seconds / self.clients)
        return self.clients * max(share, self.streams, 1)


HELLO_APP, ECHO, BODY, STREAM, STARLETTE = (
    "apps:hello", "apps:echo_length", "apps:body1m", "apps:stream1m", "starlette_app:app",
)
LENGTH = b"%d" % len(POST_BODY)

SCENARIOS = (
    Scenario("h2-c16-m16", "h2c GET, 16 connections of 16 streams", HELLO_APP, "h2", 16, 16, HELLO, limit=True),
    Scenario("h2-c64-m1", "h2c GET, 64 connections of 1 stream", HELLO_APP, "h2", 64, 1, HELLO, limit=True),
    Scenario("h2-c1-m1", "h2c GET, 1 connection of 1 stream", HELLO_APP, "h2", 1, 1, HELLO, limit=True),
    Scenario("h1-c64", "HTTP/1.1 GET, 64 connections", HELLO_APP, "h1", 64, 1, HELLO),
    Scenario("h2-post64k", "h2c POST of 64 KiB, 8 connections of 4", ECHO, "h2", 8, 4, LENGTH, post=True),
    Scenario("h1-post64k", "HTTP/1.1 POST of 64 KiB, 8 connections", ECHO, "h1", 8, 1, LENGTH, post=True),
    Scenario("h2-body1m", "h2c 1 MiB body, 8 connections of 4", BODY, "h2", 8, 4, MEBIBYTE, limit=True),
    Scenario("h2-stream1m", "h2c 1 MiB in 64 parts, 8 connections of 4", STREAM, "h2", 8, 4, MEBIBYTE),
    Scenario("h2-starlette", "h2c Starlette, 4 connections of 16", STARLETTE, "h2", 4, 16, HELLO),
    Scenario("h1-starlette", "HTTP/1.1 Starlette, 32 connections", STARLETTE, "h1", 32, 1, HELLO),
)
QUICK = ("h2-c16-m16", "h2-c64-m1", "h1-c64", "h2-post64k", "h2-stream1m")
GET_RUNS = ("h2-c16-m16", "h2-c64-m1", "h2-c1-m1", "h1-c64")
"""Those after which a server's memory is read."""


def named(ids: list[str]) -> list[Scenario]:
    """Return the scenarios of these ids, in their own order."""
    return [scenario for scenario in SCENARIOS if scenario.id in ids]
