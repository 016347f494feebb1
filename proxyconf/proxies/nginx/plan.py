"""What nginx.conf is to say, in nginx's words; `str` is a user's text, `Raw` ours. Empty means: leave it out."""

from __future__ import annotations

from dataclasses import dataclass

from proxyconf.syntax.words import Raw

__all__ = ["NOTHING", "Files", "Guard", "Location", "Map", "Plan", "Proxy", "Server", "Stream", "StreamServer", "Tls", "Upstream"]

Words = tuple[str, ...]
NOTHING = Raw("")


@dataclass(frozen=True, slots=True)
class Map:
    """`map` or `geo`: one variable from another."""

    kind: Raw
    """`map` or `geo`."""
    source: Words
    variable: Raw
    entries: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """`upstream`: the servers, for one protocol. nginx keeps connections of different protocols apart by this alone."""

    name: Raw
    balance: Words
    servers: tuple[Words, ...]
    sticky: Words
    keepalive: Raw
    keepalive_timeout: Raw
    zone: Raw


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server is encrypted."""

    certificate: Raw
    key: Raw
    protocols: Raw
    ciphers: Raw
    client_ca: Raw
    verify_client: Raw


@dataclass(frozen=True, slots=True)
class Guard:
    """`if`: requests that go elsewhere, or are answered at once."""

    condition: Raw
    status: Raw
    to: Raw
    """The named location that such a status leads to; empty: the status is the answer."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """`proxy_pass` or `grpc_pass`, and the lines that belong to it."""

    prefix: Raw
    """`proxy` or `grpc`: what the directives begin with."""
    target: Raw
    version: Raw
    fields: tuple[Words, ...]
    lines: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Files:
    """Files of a folder, or one."""

    root: str
    alias: str
    fallback: Raw
    precompressed: bool


@dataclass(frozen=True, slots=True)
class Location:
    """One `location`."""

    head: Words
    internal: bool = False
    access_log_off: bool = False
    guards: tuple[Guard, ...] = ()
    allow: Words = ()
    lines: tuple[Words, ...] = ()
    """Everything that needs no block of its own, one directive each."""
    headers: tuple[Words, ...] = ()
    """`add_header`: name and value."""
    error_pages: tuple[Words, ...] = ()
    rewrite: Words = ()
    auth: Raw = NOTHING
    auth_sets: tuple[Words, ...] = ()
    auth_copies: tuple[tuple[Raw, Raw], ...] = ()
    """Variables of `auth_sets` with the fields that they become; they are among `proxy.fields`."""
    proxy: Proxy | None = None
    files: Files | None = None
    then: Raw = NOTHING
    """A named location for whoever was let in: `return` comes before everything that keeps out."""
    default_type: str = ""
    """The content type of `answer`, whatever the path ends with."""
    answer: Words = ()
    """`return`."""


@dataclass(frozen=True, slots=True)
class Server:
    """One `server`."""

    comment: Raw
    listens: tuple[Words, ...]
    http2: bool
    http3: bool
    names: Words
    tls: Tls | None
    lines: tuple[Words, ...]
    headers: tuple[Words, ...]
    """`add_header`, if all of its locations add the same."""
    guards: tuple[Guard, ...]
    locations: tuple[Location, ...]
    answer: Words
    extra: tuple[Raw, ...]


@dataclass(frozen=True, slots=True)
class StreamServer:
    """One `server` of `stream`."""

    comment: Raw
    listens: tuple[Words, ...]
    tls: Tls | None
    lines: tuple[Words, ...]
    target: Raw
    """`proxy_pass`."""


@dataclass(frozen=True, slots=True)
class Stream:
    """`stream`: connections whose bytes are passed on."""

    maps: tuple[Map, ...]
    upstreams: tuple[Upstream, ...]
    servers: tuple[StreamServer, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """An nginx.conf."""

    modules: tuple[Raw, ...]
    """`load_module`."""
    dollar: bool
    """Whether some text holds a dollar sign."""
    user: Raw
    shutdown_timeout: Raw
    main: tuple[Raw, ...]
    events: tuple[Raw, ...]
    http: tuple[Raw, ...]
    """Text of the file for these sections, as it stands."""
    mime_types: bool
    lines: tuple[Words, ...]
    log_format: tuple[Raw, ...]
    access_log: Words
    zones: tuple[Words, ...]
    tls: Tls | None
    """What all servers have in common but their certificates."""
    fields: tuple[Words, ...]
    """`proxy_set_header` and `grpc_set_header` for all locations that have none of their own."""
    maps: tuple[Map, ...]
    upstreams: tuple[Upstream, ...]
    servers: tuple[Server, ...]
    stream: Stream | None
