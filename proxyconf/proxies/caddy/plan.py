"""What a Caddyfile is to say, in Caddy's words; `str` is a user's text, `Raw` ours. Empty means: leave it out."""

from __future__ import annotations

from dataclasses import dataclass

from proxyconf.syntax.words import Raw

__all__ = ["Block", "Files", "Handle", "Matcher", "Page", "Plan", "ReverseProxy", "Server", "Tls"]

Words = tuple[str, ...]
NOTHING = Raw("")


@dataclass(frozen=True, slots=True)
class Matcher:
    """A named matcher: `@name { condition ... }`."""

    name: Raw
    conditions: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class ReverseProxy:
    """`reverse_proxy`, or `forward_auth` with the same transport."""

    matcher: Raw
    dials: Words
    lines: tuple[Words, ...]
    """Subdirectives, one line each."""
    accel: tuple[Files, ...]
    """Where the app may send somebody to by X-Accel-Redirect."""
    pages: tuple[Page, ...]
    """Pages in place of the app's own errors."""
    transport: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Files:
    """Files of a folder, or one."""

    matcher: Raw
    root: str
    rewrite: str
    strip_prefix: str
    precompressed: Words
    status: Raw = NOTHING


@dataclass(frozen=True, slots=True)
class Page:
    """One page for some statuses."""

    matcher: Raw
    statuses: Words
    root: str
    rewrite: str


@dataclass(frozen=True, slots=True)
class Handle:
    """What is done with the requests of a matcher; empty `matcher`: with all that are left."""

    matcher: Raw = NOTHING
    log_skip: bool = False
    headers: tuple[Words, ...] = ()
    max_size: Raw = NOTHING
    encode: Words = ()
    encode_types: Words = ()
    encode_min: Raw = NOTHING
    request_headers: tuple[Words, ...] = ()
    strip_prefix: str = ""
    rewrite: Raw = NOTHING
    itself: Raw = NOTHING
    """The matcher of the prefix alone, with nothing behind it."""
    itself_rewrite: str = ""
    auth: ReverseProxy | None = None
    auth_uri: str = ""
    auth_copy: Words = ()
    files: Files | None = None
    only_if_file: Raw = NOTHING
    """A matcher: files are served only where there is one, else the proxies below answer."""
    proxies: tuple[ReverseProxy, ...] = ()
    redirect: Words = ()
    """Target and status."""
    respond: Words = ()
    """Status, or body and status."""
    error: Raw = NOTHING
    """A status that the error pages are shown for."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How a site is encrypted."""

    first: tuple[Words, ...]
    """Certificates but the last, one `tls` each."""
    last: Words
    """The last one, or `internal`; options stand behind it."""
    lines: tuple[Words, ...]
    client_ca: str
    client_mode: Raw


@dataclass(frozen=True, slots=True)
class Block:
    """One site's block."""

    addresses: Words
    bind: Words
    tls: Tls | None
    log: Words
    """`output` and `format`; empty: Caddy's own."""
    vars: tuple[Words, ...]
    vars_if: tuple[Words, ...]
    """The same for the requests of a matcher."""
    matchers: tuple[Matcher, ...]
    prepare: tuple[Words, ...]
    """What is done with request fields before anything else."""
    handles: tuple[Handle, ...]
    flat: bool
    """Whether the one handle stands in the block itself."""
    pages: tuple[Page, ...]
    extra: tuple[Raw, ...]
    """Lines that go in as they stand."""
    comment: Raw


@dataclass(frozen=True, slots=True)
class Server:
    """The options of a listener; empty `address`: of all."""

    address: str
    protocols: Raw
    balancers: Words
    trusted: Words
    client_ip_headers: Words
    max_header_size: Raw
    idle: Raw
    body_idle: Raw
    extra: tuple[Raw, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A Caddyfile."""

    admin: str
    email: str
    acme_ca: str
    auto_https: Raw
    internal_ca: bool
    fallback_sni: str
    grace_period: Raw
    metrics: bool
    extra: tuple[Raw, ...]
    servers: tuple[Server, ...]
    blocks: tuple[Block, ...]
