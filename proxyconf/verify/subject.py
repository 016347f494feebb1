"""What is probed: an edge, what stands behind it, and what the two promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proxyconf.verify.edge.link import Edge

__all__ = ["MISSING", "Feature", "Prefix", "Subject"]


class Feature(StrEnum):
    """What a probe may need. The value is the name in reports."""

    # What is there to look with.
    ORIGIN = "origin"
    RAW_ORIGIN = "raw-origin"
    APP_SERVER = "app-server"
    HINTED = "hinted"
    TLS_ORIGIN = "tls-origin"
    TCP_HOP = "tcp-hop"
    STACK = "stack"
    # The edge.
    TLS = "tls"
    HTTP1 = "http1"
    HTTP2 = "http2"
    REDIRECT = "redirect"
    UNKNOWN_HOST = "unknown-host"
    CONTROL_CHARACTERS = "control-characters"
    # What goes through.
    FORWARDED = "forwarded"
    HOP_TLS = "hop-tls"
    MULTIPLEXING = "multiplexing"
    EARLY_HINTS = "early-hints"
    TRAILERS = "trailers"
    REQUEST_TRAILERS = "request-trailers"
    CLIENT_GONE = "client-gone"
    BROKEN_RESPONSES = "broken-responses"
    STREAMED_REQUEST = "streamed-request"
    STREAMED_RESPONSE = "streamed-response"
    GRPC = "grpc"
    WEBSOCKET = "websocket"
    WEBSOCKET_OVER_HTTP2 = "websocket-over-http2"
    PREFIX = "prefix"
    PROXY_PROTOCOL = "proxy-protocol"
    # Bounds and life.
    BODY_LIMIT = "body-limit"
    BODY_LIMIT_STREAMED = "body-limit-streamed"
    RESPONSE_TIMEOUT = "response-timeout"
    HEALTH_CHECK = "health-check"
    RELOAD = "reload"
    GRACEFUL_STOP = "graceful-stop"


MISSING: Mapping[Feature, str] = {
    Feature.ORIGIN: "no probe origin behind the proxy",
    Feature.RAW_ORIGIN: "behind the proxy is a server that does not show the bytes it received",
    Feature.APP_SERVER: "behind the proxy is the probe origin, no app server",
    Feature.HINTED: "the origin cannot send a 103",
    Feature.TLS_ORIGIN: "behind the proxy is a server whose certificate cannot be exchanged",
    Feature.TCP_HOP: "nobody but the proxy reaches the unix socket of the hop",
    Feature.STACK: "the stack was not started here",
    Feature.TLS: "the edge is cleartext",
    Feature.HTTP1: "the edge does not speak HTTP/1.1",
    Feature.HTTP2: "the edge does not speak HTTP/2",
    Feature.REDIRECT: "no listener redirects to https",
    Feature.UNKNOWN_HOST: "the site takes every name",
    Feature.CONTROL_CHARACTERS: "control characters in fields are passed on",
    Feature.FORWARDED: "the site forwards no fields about the client",
    Feature.HOP_TLS: "the hop is cleartext",
    Feature.MULTIPLEXING: "one request at a time on a connection of the hop",
    Feature.EARLY_HINTS: "103 is not passed on",
    Feature.TRAILERS: "trailers of responses are not passed on",
    Feature.REQUEST_TRAILERS: "trailers of requests are not passed on",
    Feature.CLIENT_GONE: "a client that leaves is not told to the origin",
    Feature.BROKEN_RESPONSES: "a response that breaks off may look whole",
    Feature.STREAMED_REQUEST: "request bodies are buffered",
    Feature.STREAMED_RESPONSE: "response bodies are buffered",
    Feature.GRPC: "no route for gRPC",
    Feature.WEBSOCKET: "no WebSocket on this site",
    Feature.WEBSOCKET_OVER_HTTP2: "no WebSocket over HTTP/2 (RFC 8441)",
    Feature.PREFIX: "no route with a prefix",
    Feature.PROXY_PROTOCOL: "no PROXY header to the upstream",
    Feature.BODY_LIMIT: "the site bounds no request body",
    Feature.BODY_LIMIT_STREAMED: "the site bounds no request body of unknown length",
    Feature.RESPONSE_TIMEOUT: "the site bounds no response time",
    Feature.HEALTH_CHECK: "no active health check of two servers",
    Feature.RELOAD: "no reload of a running configuration",
    Feature.GRACEFUL_STOP: "no graceful stop",
}


@dataclass(frozen=True, slots=True)
class Prefix:
    """A route whose prefix the proxy replaces: `path` outside is `replaced` at the origin."""

    path: str
    replaced: str
    announced: bool = False  # by X-Forwarded-Prefix


@dataclass(frozen=True, slots=True)
class Subject:
    """One proxy with one configuration, as a plain list of promises."""

    name: str
    version: str
    edge: Edge
    features: frozenset[Feature]
    reasons: Mapping[Feature, str] = field(default_factory=dict)  # why a feature is not there, where it is known better
    base: str = "/"  # below which every path goes to the origin
    hop: str = "HTTP/2"  # what the origin is asked in
    origins: tuple[str, ...] = ()  # the addresses of the site's servers
    forwarded: frozenset[str] = frozenset({"for", "proto", "host"})
    believes: frozenset[str] = frozenset()  # what an app server takes from its proxy: "for", "proto"
    grpc_path: str = "/probe.v1.Probe/Call"
    proxy_protocol: int = 0  # the version of the PROXY header to the upstream; 0 for none
    hop_connections: int = 4  # at most so many for a hundred parallel requests
    client_streams: int = 10  # as many requests of one HTTP/2 client go on at once from its first on
    untrusted_statuses: frozenset[int] = frozenset({502, 503})  # for a server whose certificate is not to be trusted
    body_limit: int | None = None  # bytes
    response_timeout: float | None = None  # seconds of silence until the proxy answers 504
    prefix: Prefix | None = None
    redirect: Edge | None = None
    health_seconds: float = 10.0  # until a failing server gets no requests, at most
    stop_seconds: float = 30.0

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".strip()

    def lacks(self, needs: frozenset[Feature]) -> str:
        """Say what is missing of `needs`, empty if nothing is."""
        missing = [feature for feature in Feature if feature in needs - self.features]
        return "; ".join(self.reasons.get(feature, MISSING[feature]) for feature in missing)
