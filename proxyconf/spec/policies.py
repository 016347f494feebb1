"""How requests are treated: what a site can say for all of its routes, and a route for itself."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import BeforeValidator, Field
from pydantic import model_validator as validates

from proxyconf.spec.fields import (
    Bool,
    Bytes,
    Count,
    Exclusive,
    FieldName,
    FieldValue,
    FilePath,
    Limit,
    Many,
    Method,
    Model,
    Network,
    Origin,
    RequestRate,
    Status,
    Statuses,
    Text,
    Time,
    TimeOrOff,
    UrlPath,
    off,
    short,
)
from proxyconf.spec.units import Duration, Size
from proxyconf.spec.upstreams import upstream_reference

__all__ = [
    "DEFAULTS",
    "Auth", "BasicAuth", "Buffering", "Compression", "Cors", "ErrorPage", "Errors", "ForwardAuth", "HeaderPolicy", "Limits",
    "Maintenance", "Policies", "RateLimit", "RequestHeaders", "ResponseHeaders", "Timeouts", "UpstreamName", "merged",
]  # fmt: skip

UpstreamName = Annotated[str, BeforeValidator(upstream_reference)]
OnOff = Literal["on", "off"]
M = TypeVar("M", bound=Model)


class Limits(Model):
    """What is refused for its size."""

    merges: ClassVar[bool] = True

    request_body: Limit = Size(100 * 2**20)
    """Longest request body; 413. The app server allows at least as much."""
    request_headers: Bytes = Size(32 * 2**10)
    """Longest request head; 431. The app server allows at least as much."""


class Timeouts(Model):
    """How long things may take; each may be `off`."""

    merges: ClassVar[bool] = True

    connect: TimeOrOff = Duration(5_000)
    """To connect to a server."""
    request: TimeOrOff = Duration(60_000)
    """From the end of the request to the head of its response; 504. A response that has begun may stream on."""
    backend_request: TimeOrOff | None = None
    """The same for one attempt, where several are made. Default: as `request`."""
    client_idle: TimeOrOff = Duration(75_000)
    """A client's connection without requests."""
    stream_idle: TimeOrOff = Duration(3_600_000)
    """Longest silence within a request or response body: server-sent events, slow uploads."""
    tunnel: TimeOrOff = Duration(3_600_000)
    """Longest silence on a WebSocket."""

    @property
    def response_head(self) -> Duration:
        """How long one attempt may wait for a response's head."""
        return self.request if self.backend_request is None else self.backend_request


class Compression(Model):
    """Which responses are compressed by the proxy."""

    encodings: Many[Literal["zstd", "br", "gzip"]] = ("gzip",)
    """Which encodings, the preferred first."""
    min_length: Bytes = Size(1024)
    """Shorter responses are left alone."""
    types: Many[Text] = ("text/*", "application/json", "application/javascript", "image/svg+xml")
    """Which content types."""


Fields = dict[FieldName, FieldValue]


class RequestHeaders(Model):
    """Fields of requests on their way to the app server."""

    merges: ClassVar[bool] = True

    set: Fields = {}
    """Fields with their values, whatever the client sent."""
    remove: Many[FieldName] = ()
    """Fields that never arrive."""


class ResponseHeaders(Model):
    """Fields of responses on their way to the client."""

    merges: ClassVar[bool] = True

    set: Fields = {}
    """Fields with their values, whatever the app sent."""
    default: Fields = {}
    """Fields that are added if the app sent none."""
    remove: Many[FieldName] = ()
    """Fields that never arrive."""


class HeaderPolicy(Model):
    """Header fields that are set and removed."""

    merges: ClassVar[bool] = True

    request: RequestHeaders = RequestHeaders()
    """To the app server."""
    response: ResponseHeaders = ResponseHeaders()
    """To the client."""


class Cors(Model):
    """Which other origins may use the site from a browser; preflights are answered by the proxy."""

    origins: Annotated[Many[Origin], Field(min_length=1)]
    """Which origins; `*` for all."""
    methods: Many[Method] = ("GET", "HEAD", "POST")
    """Which methods."""
    headers: Many[FieldName] = ()
    """Which request fields."""
    expose: Many[FieldName] = ()
    """Which response fields scripts may read."""
    credentials: Bool = False
    """Whether cookies are sent."""
    max_age: Time = Duration(3_600_000)
    """How long a preflight is remembered."""

    @validates(mode="after")
    def _safe(self) -> Cors:
        if self.credentials and "*" in self.origins:
            raise Exclusive("credentials for every origin give every page the user's session; name the origins")
        return self


class Maintenance(Model):
    """The site is down on purpose; 503."""

    file: FilePath | None = None
    """The page that is shown."""
    retry_after: Time | None = None
    """When clients may come back."""
    exempt: Annotated[Many[Network], Field(alias="except")] = ()
    """Who gets the site all the same (`except`)."""


class ErrorPage(Model):
    """One page for some statuses."""

    statuses: Statuses
    """Which statuses."""
    file: FilePath
    """The page."""


class Errors(Model):
    """Pages in place of bare statuses."""

    pages: Annotated[Many[ErrorPage], Field(min_length=1)]
    """The pages."""
    source: Annotated[Literal["proxy", "any"], Field(alias="from")] = "proxy"
    """`proxy`: only what the proxy itself answers. `any`: the app's errors too."""


class Buffering(Model):
    """Whether bodies are collected before they are passed on. Off by default: they stream."""

    merges: ClassVar[bool] = True

    request: OnOff = "off"
    """Request bodies."""
    response: OnOff = "off"
    """Response bodies."""


class BasicAuth(Model):
    """A name and a password."""

    users_file: FilePath
    """A file of htpasswd's, bcrypt."""
    realm: FieldValue = "restricted"
    """What a browser shows."""


class ForwardAuth(Model):
    """Another service decides: its 2xx lets a request through, anything else is the answer."""

    upstream: UpstreamName
    """Which upstream decides."""
    path: UrlPath = "/"
    """The path it is asked at."""
    copy_headers: Annotated[Many[FieldName], Field(alias="copy")] = ()
    """Fields of its answer that go to the app server."""


class Auth(Model):
    """Who may come in."""

    basic: BasicAuth | None = None
    """A name and a password."""
    forward: ForwardAuth | None = None
    """Another service decides."""

    @validates(mode="after")
    def _one(self) -> Auth:
        if (self.basic is None) == (self.forward is None):
            raise Exclusive("'basic' or 'forward', one of the two")
        return self


class RateLimit(Model):
    """How often one client may ask."""

    key: Literal["client_ip"] = "client_ip"
    """What counts as one client."""
    rate: RequestRate
    """How often."""
    burst: Count = 20
    """So many more at once."""
    status: Status = 429
    """What the others are answered."""


class Policies(Model):
    """How requests are treated."""

    limits: Limits = Limits()
    """What is refused for its size."""
    timeouts: Timeouts = Timeouts()
    """How long things may take."""
    compression: Annotated[Compression | None, short(off, Compression, str)] = None
    """Which responses are compressed; `off`, the default, leaves it to the app."""
    headers: HeaderPolicy = HeaderPolicy()
    """Header fields that are set and removed."""
    early_hints: Literal["auto", "pass", "off"] = "auto"
    """103 from the app: `pass` it on, turn it `off`, or `auto`: pass where every target can, else off."""
    cors: Annotated[Cors | None, short(off, Cors, str)] = None
    """Which other origins may use the site from a browser."""
    maintenance: Annotated[Maintenance | None, short(off, Maintenance, str)] = None
    """The site is down on purpose."""
    errors: Annotated[Errors | None, short(off, Errors, str)] = None
    """Pages in place of bare statuses."""
    buffering: Buffering = Buffering()
    """Whether bodies are collected before they are passed on."""
    allow: Annotated[Many[Network], short(lambda value: () if value == "any" else value, list[str], str)] = ()
    """Only these clients; the others are answered 403. Default: `any`."""
    auth: Annotated[Auth | None, short(off, Auth, str)] = None
    """Who may come in."""
    rate_limit: Annotated[RateLimit | None, short(off, RateLimit, str)] = None
    """How often one client may ask."""
    log: OnOff = "on"
    """Whether requests are logged."""


DEFAULTS = Policies()
"""What holds where nobody says anything."""


def merged(outer: M, inner: Model) -> M:
    """Return the site's policies with the route's laid over them."""
    changes: dict[str, object] = {}
    for name in inner.model_fields_set & type(outer).model_fields.keys():
        below, above = getattr(outer, name), getattr(inner, name)
        if isinstance(below, Model) and isinstance(above, Model) and below.merges:
            above = merged(below, above)
        elif isinstance(below, dict) and isinstance(above, dict):
            above = {**below, **above}
        changes[name] = above
    return outer.model_copy(update=changes)
