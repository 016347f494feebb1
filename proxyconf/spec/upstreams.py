"""The servers behind the proxy, and how they are reached."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic import model_validator as validates

from proxyconf.spec.addresses import ServerAddress
from proxyconf.spec.fields import (
    Bool,
    CookieName,
    Count,
    Exclusive,
    FilePath,
    Many,
    Model,
    Reach,
    Statuses,
    StreamCount,
    Time,
    UrlPath,
    Weight,
    short,
)
from proxyconf.spec.units import Duration

__all__ = [
    "Connections", "Hash", "HealthCheck", "LoadBalancing", "OutlierDetection", "Protocol", "ProxyProtocolOut", "Retries", "Server",
    "Sticky", "StickyCookie", "Upstream", "UpstreamTls", "upstream_url",
]  # fmt: skip

Protocol = Literal["h2c", "h2", "http1", "grpc", "grpcs"]


class Connections(Model):
    """Connections between the proxy and the servers of an upstream."""

    idle_timeout: Time = Duration(60_000)
    """The proxy closes a connection idle for so long; the app server waits longer."""
    max_concurrent_streams: StreamCount = 100
    """Requests at once on one HTTP/2 connection, as the app server announces it."""
    max: Count | None = None
    """Connections at once to one server. Default: no limit."""


class Server(Model):
    """One server of an upstream."""

    address: Reach
    """Where it listens."""
    weight: Weight = 1
    """Its part of the requests, compared with the others'."""


class Hash(Model):
    """What decides which server a request goes to."""

    key: Literal["client_ip", "path", "host"] = "client_ip"
    """Requests with the same key go to the same server."""


class LoadBalancing(Model):
    """How requests are spread over servers."""

    policy: Literal["round_robin", "least_conn", "random", "hash"] = "round_robin"
    """In turn, to the server with the fewest requests, by chance, or by a key."""
    hash: Hash | None = None
    """The key, for `hash`."""


def _load_balancing(value: object) -> object:
    if isinstance(value, str):
        return {"policy": value}
    if isinstance(value, dict) and set(value) == {"hash"}:
        return {"policy": "hash", **value}
    return value


class StickyCookie(Model):
    """A cookie that names the server."""

    name: CookieName = "srv"
    """The cookie's name."""
    secure: Bool = True
    """Whether clients send it over TLS only."""


class Sticky(Model):
    """A client stays with its server."""

    cookie: StickyCookie = StickyCookie()
    """By a cookie."""


class ProxyProtocolOut(Model):
    """The PROXY header to the app server."""

    send: Literal["off", "v1", "v2"] = "off"
    """Which version; one header names one client, so connections are no longer shared between clients."""
    i_accept: Literal["per-client-connections"] | None = None
    """With HTTP/2 it has to be written out that every client gets connections of its own."""


class HealthCheck(Model):
    """A question that each server is asked again and again."""

    path: UrlPath | None = None
    """The path that is asked for. Without it: `tcp`."""
    tcp: Bool = False
    """Whether a connection is enough."""
    interval: Time = Duration(5_000)
    """How often."""
    timeout: Time = Duration(2_000)
    """How long an answer may take."""
    healthy_threshold: Count = 2
    """So many good answers bring a server back."""
    unhealthy_threshold: Count = 3
    """So many bad ones take it out."""
    expected_statuses: Statuses = (200,)
    """Which statuses are good."""

    @validates(mode="after")
    def _one_kind(self) -> HealthCheck:
        if (self.path is None) != self.tcp:
            raise Exclusive("a health check asks for a path or is 'tcp: true', one of the two")
        return self


class OutlierDetection(Model):
    """A server that fails is left out for a while; off by default: one reset must not eject a server."""

    consecutive_5xx: Count = 5
    """So many failures in a row."""
    ejection_time: Time = Duration(30_000)
    """How long it is left out."""


class Retries(Model):
    """What is tried again at another server."""

    attempts: Count = 2
    """How often, beyond the first time."""
    on: Many[Literal["connect-failure", "refused-stream"]] = ("connect-failure", "refused-stream")
    """After what; in both cases the server has not begun."""
    idempotent_only: Bool = True
    """Whether only GET, HEAD, OPTIONS, PUT, DELETE and TRACE are tried again."""


def _server(value: object) -> object:
    return {"address": value} if isinstance(value, str) else value


class UpstreamTls(Model):
    """TLS between the proxy and the servers, where the protocol is `h2` or `grpcs`."""

    ca: FilePath | None = None
    """The CA that the servers' certificates are checked against, as a PEM file. Default: the system's."""


class Upstream(Model):
    """The servers behind the proxy that answer a site."""

    protocol: Protocol = "h2c"
    """`h2c`: HTTP/2 in cleartext with prior knowledge. `h2`: over TLS. `http1`. `grpc`, `grpcs`: gRPC only."""
    servers: Annotated[Many[Annotated[Server, short(_server, str, Server)]], Field(min_length=1)]
    """The servers; requests are spread over them."""
    resolve: Annotated[Time | None, short(lambda value: None if value == "once" else value, str)] = None
    """How often names are looked up again; `once` at start, the default."""
    tls: UpstreamTls | None = None
    """How the servers' certificates are checked; they always are."""
    load_balancing: Annotated[LoadBalancing, short(_load_balancing, str, LoadBalancing)] = LoadBalancing()
    """How requests are spread."""
    sticky: Sticky | None = None
    """A client stays with its server."""
    websocket: Literal["auto", "over_h2", "over_http1", "off"] = "auto"
    """How WebSockets travel: `auto` over HTTP/2 if the proxy can (RFC 8441), else over HTTP/1.1 beside it."""
    proxy_protocol: ProxyProtocolOut = ProxyProtocolOut()
    """The PROXY header to the app server."""
    connections: Connections = Connections()
    """Connections to the servers."""
    health_check: HealthCheck | None = None
    """A question that each server is asked again and again."""
    outlier_detection: OutlierDetection | None = None
    """A server that fails is left out for a while."""
    retries: Retries | None = None
    """What is tried again. Default: what could not be sent, at another server, if there is one."""

    @property
    def is_http2(self) -> bool:
        """Whether many requests share a connection."""
        return self.protocol != "http1"

    @property
    def is_tls(self) -> bool:
        """Whether the hop is encrypted."""
        return self.protocol in ("h2", "grpcs")

    @property
    def is_grpc(self) -> bool:
        """Whether only gRPC is spoken."""
        return self.protocol in ("grpc", "grpcs")

    @validates(mode="after")
    def _encrypted(self) -> Upstream:
        if self.tls is not None and not self.is_tls:
            raise Exclusive(f"tls is for an encrypted hop; write protocol: h2 (or grpcs), or no tls with {self.protocol}")
        return self


SCHEMES: dict[str, Protocol] = {
    "h2c": "h2c", "h2": "h2", "http1": "http1", "http": "http1", "grpc": "grpc", "grpcs": "grpcs",
}  # fmt: skip


def upstream_url(value: str) -> Upstream | None:
    """Read the shorthand `h2c://app:8000`; None if it is the name of an upstream."""
    scheme, mark, rest = value.partition("://")
    if not mark:
        return None
    if scheme not in SCHEMES:
        raise ValueError("an upstream is h2c://HOST:PORT, http1://HOST:PORT, h2c://unix:/PATH or a name in 'upstreams'")
    if not rest.startswith("unix:") and "/" in rest.removesuffix("/"):
        host = rest.partition("/")[0]
        raise ValueError(f"an upstream has no path; write {scheme}://{host}, and replace_prefix: in a route if it is needed")
    address = rest if rest.startswith("unix:") else rest.removesuffix("/")
    return Upstream(protocol=SCHEMES[scheme], servers=(Server(address=ServerAddress.parse(address)),))


def upstream_reference(value: Any) -> Any:
    """Read the name of an upstream, or its URL."""
    if not isinstance(value, str):
        raise ValueError("the name of an upstream, or h2c://HOST:PORT")
    upstream_url(value)
    return value
