"""Every option of `appserver`, declared once.

A field of a section below is one option with four spellings, derived and never written again:
`[limit] request_fields` in TOML, `APPSERVER_LIMIT_REQUEST_FIELDS` in the environment,
`--limit-request-fields` on the command line, `config.limit.request_fields` in the code.
Options of the section `server` carry no prefix (`--bind`, `APPSERVER_BIND`, `[server] bind`).
A component is given its section, never the whole `Config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Config",
    "ForwardedOptions",
    "Http1Options",
    "Http2Options",
    "LifespanOptions",
    "LimitOptions",
    "LogOptions",
    "ServerOptions",
    "TimeoutOptions",
    "WebSocketOptions",
    "option",
]

MAX_SECONDS = 31_536_000.0  # a year: what asks for more is a slip, and timers overflow on it


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    unit: str = "",
    metavar: str = "",
    flag: str = "",
) -> Any:
    """Declare one option: its default, help, bounds (inclusive), choices and unit.

    `unit` is "s" (seconds, fractions allowed; `30s`, `500ms` and `2m` are understood) or "B" (bytes;
    `64KiB` and `1MiB` are understood). `flag` is a short spelling such as "-c".
    """
    if unit == "s" and high is None:
        high = MAX_SECONDS
    meta = {
        "help": help, "low": low, "high": high, "choices": choices,
        "unit": unit, "metavar": metavar, "flag": flag,
    }
    if isinstance(default, tuple):
        return field(default_factory=lambda: default, metadata=meta)
    return field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What is served, where, and on which loop."""

    app: str = option("", "The application, as module:attribute.", metavar="MODULE:APP")
    app_dir: str = option(".", "Directory the module is looked up in first.", metavar="DIR")
    factory: bool = option(False, "The attribute is a function that returns the application.")
    interface: str = option(
        "auto", "What the application speaks; auto looks at its arguments.", choices=("auto", "asgi3")
    )
    bind: tuple[str, ...] = option(
        ("127.0.0.1:8000",),
        "Where to listen: HOST:PORT, [IPV6]:PORT, :PORT or unix:PATH. May be given several times.",
        metavar="ADDRESS",
    )
    backlog: int = option(2048, "Connections the kernel queues for a listener.", low=1, high=65535)
    unix_mode: str = option("0660", "Permissions of unix sockets, octal.", metavar="MODE")
    loop: str = option(
        "auto", "Event loop; auto takes uvloop if it is installed.", choices=("auto", "uvloop", "asyncio")
    )
    http1: bool = option(True, "Accept HTTP/1.1 beside HTTP/2; without it HTTP/1.1 is answered 505.")
    root_path: str = option("", "Path the application is mounted under, as ASGI root_path.", metavar="PATH")
    date_header: bool = option(True, "Add Date to responses that have none.")
    server_header: str = option("", "Server field to add to responses that have none; empty adds none.", metavar="TEXT")


@dataclass(frozen=True, slots=True)
class Http2Options:
    """HTTP/2 as advertised and enforced."""

    engine: str = option("auto", "Engine; auto takes the kernel if it was built.", choices=("auto", "kernel", "pure"))
    max_concurrent_streams: int = option(100, "Streams a peer may have open at once.", low=1, high=2**31 - 1)
    stream_window: int = option(262_144, "Receive window of one stream.", low=65_535, high=2**31 - 1, unit="B")
    connection_window: int = option(
        1_048_576, "Receive window of one connection.", low=65_535, high=2**31 - 1, unit="B"
    )
    max_window: int = option(
        4_194_304, "Receive windows grow to this while applications read as fast as a client sends; 0: never.",
        low=0, high=2**31 - 1, unit="B",
    )


@dataclass(frozen=True, slots=True)
class Http1Options:
    """HTTP/1.1 connections."""

    max_requests: int = option(0, "Requests of one connection before it is closed; 0: no limit.", low=0)


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What is refused for its size."""

    request_line: int = option(8_190, "Longest request line, or HTTP/2 :path; 414.", low=64, high=1_048_576, unit="B")
    request_fields: int = option(100, "Number of header fields, cookie crumbs not counted; 431.", low=1, high=32_768)
    field_size: int = option(16_384, "Longest header field, name and value; 431.", low=64, high=1_048_576, unit="B")
    head_size: int = option(65_536, "All header fields together; 431.", low=256, high=16_777_216, unit="B")
    discard: int = option(
        1_048_576, "Bytes of an upload that are read and dropped after its answer, before it is reset.", low=0, unit="B"
    )
    request_body: int = option(104_857_600, "Longest request body; 413. 0: no limit.", low=0, unit="B")
    connections: int = option(1_000, "Connections a worker serves at once; more are closed. 0: no limit.", low=0)


@dataclass(frozen=True, slots=True)
class TimeoutOptions:
    """How long things may take."""

    preface: float = option(5.0, "From accept to the first complete preface or request byte.", low=0.1, unit="s")
    request_head: float = option(10.0, "HTTP/1.1: for one whole request head, absolute.", low=0.1, unit="s")
    request_body_idle: float = option(
        30.0, "HTTP/1.1: between two pieces of a request body while the application waits.", low=0.1, unit="s"
    )
    response_stall: float = option(30.0, "A client that takes no byte of a waiting response.", low=0.1, unit="s")
    keep_alive: float = option(75.0, "An idle HTTP/1.1 connection.", low=0.1, unit="s")
    h2_idle: float = option(120.0, "An HTTP/2 connection without streams; PING does not extend it.", low=0.1, unit="s")
    discard: float = option(5.0, "For the rest of an upload after its answer; then it is reset.", low=0.0, unit="s")
    drain_idle: float = option(
        1.0, "At a stop: for one more request on an idle HTTP/1.1 connection, answered with close.", low=0.0, unit="s"
    )
    graceful: float = option(30.0, "For requests in flight at a stop; then they are cut.", low=0.0, unit="s")


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """WebSocket, over HTTP/1.1 and HTTP/2 (RFC 8441)."""

    enabled: bool = option(True, "Serve WebSocket; without it an upgrade is ignored and extended CONNECT is not announced.")
    max_message: int = option(
        16_777_216, "Longest message a client may send, decompressed; a longer one is closed with 1009.",
        low=1, high=2**31 - 1, unit="B",
    )
    ping_interval: float = option(20.0, "Between pings that the server sends; 0: none.", low=0.0, unit="s")
    ping_timeout: float = option(
        20.0, "For any byte of a client after a ping, then it is closed with 1011; 0: no limit.", low=0.0, unit="s"
    )
    close_timeout: float = option(10.0, "For a client's part of the closing handshake; then it is cut.", low=0.1, unit="s")
    permessage_deflate: bool = option(True, "Compress messages, with clients that offer it (RFC 7692).")
    context_takeover: bool = option(
        False, "Keep compression windows between messages: smaller messages, up to 64 KiB more for each session."
    )
    deflate_window_bits: int = option(12, "Size of a compression window, as a power of two.", low=9, high=15)
    deflate_level: int = option(6, "zlib's level of compression.", low=1, high=9)


@dataclass(frozen=True, slots=True)
class ForwardedOptions:
    """Who may speak for the client."""

    trust: tuple[str, ...] = option(
        ("127.0.0.1", "::1", "unix"),
        "Peers whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses, networks, 'unix', or '*'.",
        metavar="ADDRESS",
    )


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Logs."""

    level: str = option(
        "info",
        "Least severe event that is logged, on stderr.",
        choices=("debug", "info", "warning", "error", "critical"),
    )
    access: str = option("", "Access log: a file, or '-' for stdout; empty: none.", metavar="FILE")


@dataclass(frozen=True, slots=True)
class LifespanOptions:
    """The ASGI lifespan protocol."""

    mode: str = option("auto", "auto: an application without lifespan is served anyway.", choices=("auto", "on", "off"))
    startup: float = option(60.0, "For the application's startup.", low=0.1, unit="s")
    shutdown: float = option(30.0, "For the application's shutdown.", low=0.1, unit="s")


@dataclass(frozen=True, slots=True)
class Config:
    """All sections. Only `worker` and `cli` (and later `supervisor`) may name it."""

    server: ServerOptions = field(default_factory=ServerOptions)
    h2: Http2Options = field(default_factory=Http2Options)
    h1: Http1Options = field(default_factory=Http1Options)
    limit: LimitOptions = field(default_factory=LimitOptions)
    timeout: TimeoutOptions = field(default_factory=TimeoutOptions)
    websocket: WebSocketOptions = field(default_factory=WebSocketOptions)
    forwarded: ForwardedOptions = field(default_factory=ForwardedOptions)
    log: LogOptions = field(default_factory=LogOptions)
    lifespan: LifespanOptions = field(default_factory=LifespanOptions)
