"""The scenarios: what is asked for, how the heads look, and what must come back."""

from __future__ import annotations

from dataclasses import dataclass

from bench.apps import HELLO, LONG_FILE, MEBIBYTE, PART, SHORT_FILE

__all__ = [
    "CLIENT_APP", "HOP_SCENARIOS", "MEMORY_RUNS", "POST_BODY", "QUICK", "ROAD", "ROAD_APP", "SCENARIOS", "SOAK",
    "Scenario", "named",
]

POST_BODY = bytes(range(256)) * 256
"""64 KiB."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load: `clients` connections with `streams` requests in flight on each.

    Scenarios with the same `app` and `tls` are put to the same server process, one after the other.
    Of WebSocket (`protocol` ws) a request is a message, its `answer` the same message.
    `limit` says that nghttpd can serve it, from a file. With `varied` every head is new and names another client
    (`bench/loadgen`; `styles` says which proxies' HPACK); without it h2load repeats one head.
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
    varied: bool = False
    styles: str = ""
    tls: bool = False

    @property
    def http1(self) -> bool:
        """Whether it is HTTP/1.1."""
        return self.protocol == "h1"

    @property
    def websocket(self) -> bool:
        """Whether it is WebSocket."""
        return self.protocol == "ws"

    @property
    def scheme(self) -> str:
        """The scheme of its URL."""
        return "https" if self.tls else "http"

    @property
    def heading(self) -> str:
        """Its title, marked where it repeats heads."""
        return self.title if self.varied or self.websocket else f"{self.title} (heads repeat)"

    def sized(self, rate: float, seconds: float) -> int:
        """Return how many requests last about so many seconds at that rate; each connection has its share."""
        share = round(rate * seconds / self.clients)
        return self.clients * max(share, self.streams, 1)


ROAD_APP, CLIENT_APP = "apps:road", "apps:client"
WEBSOCKET, MESSAGE = "apps:websocket_echo", bytes(range(64))
HELLO_APP, ECHO, BODY, STREAM, STARLETTE = (
    "apps:hello", "apps:echo_length", "apps:body1m", "apps:stream1m", "starlette_app:app",
)
SHORT, LONG = "file_apps:short", "file_apps:long"
LENGTH = b"%d" % len(POST_BODY)
PROXIED, INDEXED = "nginx,haproxy", "go,envoy"

SCENARIOS = (
    Scenario("road-h2-literal", "road: h2c GET as nginx and HAProxy send it, 16 connections of 16 streams", ROAD_APP,
             "h2", 16, 16, HELLO, limit=True, varied=True, styles=PROXIED),
    Scenario("road-h2-indexed", "road: h2c GET as Go and Envoy send it, 16 connections of 16 streams", ROAD_APP,
             "h2", 16, 16, HELLO, limit=True, varied=True, styles=INDEXED),
    Scenario("road-h1", "road: HTTP/1.1 GET, 64 connections", ROAD_APP, "h1", 64, 1, HELLO, varied=True),
    Scenario("h2-c16-m16", "h2c GET, 16 connections of 16 streams", HELLO_APP, "h2", 16, 16, HELLO, limit=True),
    Scenario("h2-c64-m1", "h2c GET, 64 connections of 1 stream", HELLO_APP, "h2", 64, 1, HELLO, limit=True),
    Scenario("h2-c1-m1", "h2c GET, 1 connection of 1 stream", HELLO_APP, "h2", 1, 1, HELLO, limit=True),
    Scenario("h1-c64", "HTTP/1.1 GET, 64 connections", HELLO_APP, "h1", 64, 1, HELLO),
    Scenario("h2-tls-c16-m16", "h2 over TLS GET, 16 connections of 16 streams", HELLO_APP, "h2", 16, 16, HELLO, limit=True,
             tls=True),
    Scenario("h1-tls-c64", "HTTP/1.1 over TLS GET, 64 connections", HELLO_APP, "h1", 64, 1, HELLO, tls=True),
    Scenario("h2-post64k", "h2c POST of 64 KiB, 8 connections of 4", ECHO, "h2", 8, 4, LENGTH, post=True),
    Scenario("h1-post64k", "HTTP/1.1 POST of 64 KiB, 8 connections", ECHO, "h1", 8, 1, LENGTH, post=True),
    Scenario("h2-body1m", "h2c 1 MiB body, 8 connections of 4", BODY, "h2", 8, 4, MEBIBYTE, limit=True),
    Scenario("h2-stream1m", "h2c 1 MiB in 64 parts, 8 connections of 4", STREAM, "h2", 8, 4, MEBIBYTE),
    Scenario("h2-starlette", "h2c Starlette, 4 connections of 16", STARLETTE, "h2", 4, 16, HELLO),
    Scenario("h1-starlette", "HTTP/1.1 Starlette, 32 connections", STARLETTE, "h1", 32, 1, HELLO),
    Scenario("h2-file128k", "h2c file of 128 KiB, 4 connections of 4", SHORT, "h2", 4, 4, SHORT_FILE, limit=True),
    Scenario("h1-file128k", "HTTP/1.1 file of 128 KiB, 16 connections", SHORT, "h1", 16, 1, SHORT_FILE),
    Scenario("h2-file10m", "h2c file of 10 MiB, 4 connections of 2", LONG, "h2", 4, 2, LONG_FILE, limit=True),
    Scenario("h1-file10m", "HTTP/1.1 file of 10 MiB, 8 connections", LONG, "h1", 8, 1, LONG_FILE),
    Scenario("ws-echo-64", "WebSocket echo of 64 bytes, 64 connections", WEBSOCKET, "ws", 64, 1, MESSAGE),
    Scenario("ws-echo-16k", "WebSocket echo of 16 KiB, 64 connections", WEBSOCKET, "ws", 64, 1, PART),
)
HOP_SCENARIOS = (
    Scenario("hop-get", "through the proxy: GET, 64 client connections", ROAD_APP, "h1", 64, 1, HELLO, varied=True),
    Scenario("hop-post64k", "through the proxy: POST of 64 KiB, 8 client connections", ECHO, "h1", 8, 1, LENGTH,
             post=True, varied=True),
    Scenario("hop-stream1m", "through the proxy: 1 MiB in 64 parts, 8 client connections", STREAM, "h1", 8, 1, MEBIBYTE,
             varied=True),
)
"""Those of `--hop`: clients speak HTTP/1.1 to the proxy, the proxy h2c to the server where that can."""

QUICK = ("road-h2-literal", "road-h1", "h2-c16-m16", "h2-c64-m1", "h1-c64", "h2-post64k", "h2-stream1m", "hop-get")
ROAD = ("road-h2-literal", "road-h2-indexed", "road-h1")
MEMORY_RUNS = (*ROAD, "h2-c16-m16", "h2-c64-m1", "h2-c1-m1", "h1-c64")
"""Those after which a server's memory is read, as far as they have the first one's application."""
SOAK = ("road-h2-literal", "road-h1", "h2-c16-m16", "h1-c64")
"""Those that the soak goes on with."""


def named(ids: list[str]) -> list[Scenario]:
    """Return the scenarios of these ids, in their own order."""
    return [scenario for scenario in (*SCENARIOS, *HOP_SCENARIOS) if scenario.id in ids]
