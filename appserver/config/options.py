"""Every option of `appserver`, declared once.

A field of a section below is one option with four spellings, derived and never written again:
`[limit] request_fields` in TOML, `APPSERVER_LIMIT_REQUEST_FIELDS` in the environment,
`--limit-request-fields` on the command line, `config.limit.request_fields` in the code.
Options of the section `server` carry no prefix (`--bind`, `APPSERVER_BIND`, `[server] bind`).
What a listener may have for itself is declared in `ListenerOptions`: in `[server]` and as flags it is the default
listener's, in each `[[listener]]` of the file that one's own.
A component is given its section, never the whole `Config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "DIALECTS",
    "MAX_BYTES",
    "Config",
    "ForwardedOptions",
    "Http1Options",
    "Http2Options",
    "LifespanOptions",
    "LimitOptions",
    "ListenerOptions",
    "ListenerTable",
    "LogOptions",
    "ServerOptions",
    "TimeoutOptions",
    "WebSocketOptions",
    "option",
]

# What asks for more is a slip, and timers and the compiled code's integers overflow on it: a year, a PiB, 2**31 - 1 of anything.
MAX_SECONDS = 31_536_000.0
MAX_BYTES = 1 << 50
MAX_COUNT = 2**31 - 1


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
    if high is None and type(default) in (int, float):
        high = {"s": MAX_SECONDS, "B": MAX_BYTES}.get(unit, MAX_COUNT)
    meta = {
        "help": help, "low": low, "high": high, "choices": choices,
        "unit": unit, "metavar": metavar, "flag": flag,
    }
    if isinstance(default, tuple):
        return field(default_factory=lambda: default, metadata=meta)
    return field(default=default, metadata=meta)


HTTP_PROTOCOLS = ("h2", "http/1.1")  # as ALPN spells them
DIALECTS = ("x-forwarded", "rfc7239")


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """What may differ from one listener to the next."""

    bind: tuple[str, ...] = option(
        ("127.0.0.1:8000",),
        "Where to listen: HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH, fd://N, systemd or systemd:NAME (sockets that a"
        " service manager passes). May be given several times.",
        metavar="ADDRESS",
    )
    unix_mode: str = option("0660", "Permissions of unix sockets, octal.", metavar="MODE")
    unix_owner: str = option(
        "", "Owner of unix sockets: USER, USER:GROUP or :GROUP, names or numbers; empty: who runs the server.",
        metavar="OWNER",
    )
    http_protocols: tuple[str, ...] = option(
        HTTP_PROTOCOLS, "HTTP versions that are spoken, the preferred one first.",
        choices=HTTP_PROTOCOLS, metavar="NAME,...",
    )
    h2c_upgrade: bool = option(
        False, "Let a cleartext HTTP/1.1 request without a body become HTTP/2 by Upgrade: h2c; off: it is served as it came."
    )
    certfile: tuple[str, ...] = option(
        (), "Certificate with its chain, PEM: the listener speaks TLS. Given several times, each is for the names in it;"
        " the first for all others.", metavar="FILE",
    )
    keyfile: tuple[str, ...] = option(
        (), "Key of the certificate, PEM, once for each certfile in their order; none: the keys are in the certfiles.",
        metavar="FILE",
    )
    keyfile_password: str = option(
        "", "Where the password of encrypted keys is: file:PATH or env:NAME.", metavar="SOURCE"
    )
    ca_certs: str = option("", "Authorities that client certificates are checked against, PEM.", metavar="FILE")
    cert_reqs: str = option(
        "none", "Whether clients are asked for a certificate, or need one.", choices=("none", "optional", "required")
    )
    crl_file: str = option("", "Lists of revoked client certificates, PEM, one for each authority.", metavar="FILE")
    ciphers: str = option(
        "", "Cipher suites of TLS 1.2 as OpenSSL writes them; empty: those that HTTP/2 permits.", metavar="LIST"
    )
    tls_min_version: str = option("1.2", "Oldest TLS version that is spoken.", choices=("1.2", "1.3"))
    proxy_protocol: str = option(
        "off", "PROXY header that each connection must begin with, before TLS; auto: v1 or v2.",
        choices=("off", "v1", "v2", "auto"),
    )
    proxy_protocol_from: tuple[str, ...] = option(
        ("127.0.0.1", "::1", "unix"),
        "Peers that must send the PROXY header, where it is on: addresses, networks, 'unix', or '*'. Others are refused.",
        metavar="ADDRESS",
    )
    early_hints: bool = option(
        True, "Send the interim responses (103 Early Hints, other 1xx) of applications; off, for a proxy that cannot carry"
        " them, applications are not offered them, and those that come anyway are dropped.",
    )


@dataclass(frozen=True, slots=True)
class ListenerTable(ListenerOptions):
    """One listener beside the default one. What its table does not say has the option's default, not the flag's value."""

    trust: tuple[str, ...] = option(
        (), "Whose forwarding fields are believed here, as in [forwarded] trust, which holds where this is not given.",
        metavar="ADDRESS",
    )
    forwarded_dialect: str = option(
        "x-forwarded", "Which forwarding fields are read here, as in [forwarded] dialect, which holds where this is not given.",
        choices=DIALECTS,
    )
    where: str = field(default="", compare=False)  # how errors name it


@dataclass(frozen=True, slots=True)
class ServerOptions(ListenerOptions):
    """What is served, where, and on which loop."""

    app: str = option("", "The application, as module:attribute.", metavar="MODULE:APP")
    app_dir: str = option(".", "Directory the module is looked up in first.", metavar="DIR")
    factory: bool = option(False, "The attribute is a function that returns the application.")
    interface: str = option(
        "auto", "What the application speaks; auto looks at its arguments.", choices=("auto", "asgi3")
    )
    backlog: int = option(2048, "Connections the kernel queues for a listener.", low=1, high=65535)
    loop: str = option(
        "auto", "Event loop; auto takes uvloop if it is installed.", choices=("auto", "uvloop", "asyncio")
    )
    http1: bool = option(
        True, "Off takes http/1.1 out of http_protocols: an HTTP/1.1 request is answered 505 by the default listener."
    )
    root_path: str = option("", "Path the application is mounted under, as ASGI root_path.", metavar="PATH")
    root_path_in_target: bool = option(
        False, "The proxy leaves root_path in the targets that it sends; off: it has taken it off."
    )
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
    proxy_header: int = option(4_096, "Longest PROXY header of version 2.", low=232, high=65_551, unit="B")
    connections: int = option(1_000, "Connections a worker serves at once; more are closed. 0: no limit.", low=0)


@dataclass(frozen=True, slots=True)
class TimeoutOptions:
    """How long things may take."""

    preface: float = option(5.0, "From accept to the first complete preface or request byte.", low=0.1, unit="s")
    handshake: float = option(
        5.0, "For a PROXY header, and for a TLS handshake: each from its beginning to its end.", low=0.1, unit="s"
    )
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
    allowed_origins: tuple[str, ...] = option(
        ("*",), "Origins whose pages may open a WebSocket, such as https://example.com; 'same-origin' is the host that is"
        " asked, '*' any. Others are answered 403.", metavar="ORIGIN",
    )
    max_per_connection: int = option(
        0, "WebSockets of one HTTP/2 connection; one more is answered 503. 0: as many as streams.", low=0
    )
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
        "Peers whose forwarding fields are believed: addresses, networks, 'unix', or '*'.",
        metavar="ADDRESS",
    )
    dialect: str = option(
        "x-forwarded", "Which forwarding fields are read: X-Forwarded-*, or Forwarded (RFC 7239).", choices=DIALECTS
    )
    fields: tuple[str, ...] = option(
        ("for", "proto"), "What is believed of a trusted peer: its X-Forwarded-* fields or Forwarded parameters.",
        choices=("for", "proto", "host", "port", "prefix"), metavar="NAME,...",
    )
    strip: bool = option(
        True, "Take X-Forwarded-* and Forwarded that are not believed out of requests, X-Real-IP of untrusted peers too."
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
    """All sections, and the listeners beside the default one. Only `worker`, `cli` and `supervisor` may name it."""

    server: ServerOptions = field(default_factory=ServerOptions)
    h2: Http2Options = field(default_factory=Http2Options)
    h1: Http1Options = field(default_factory=Http1Options)
    limit: LimitOptions = field(default_factory=LimitOptions)
    timeout: TimeoutOptions = field(default_factory=TimeoutOptions)
    websocket: WebSocketOptions = field(default_factory=WebSocketOptions)
    forwarded: ForwardedOptions = field(default_factory=ForwardedOptions)
    log: LogOptions = field(default_factory=LogOptions)
    lifespan: LifespanOptions = field(default_factory=LifespanOptions)
    listeners: tuple[ListenerTable, ...] = ()
