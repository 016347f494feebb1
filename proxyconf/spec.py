"""The site file's model: what is wanted, in words that belong to no proxy.

The names follow the Gateway API, Envoy, Caddy and HAProxy. A key exists only if it is implemented.
Whether a proxy can do what a key asks for is a question for its table, never for this model.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic import model_validator as validates

from proxyconf.addresses import (
    ListenAddress,
    ServerAddress,
    absolute_path,
    application,
    control,
    hostname,
    network,
    peer,
    proxy_version,
)
from proxyconf.units import Duration, Size

__all__ = [
    "AppServer", "Certificate", "Connections", "HttpListener", "HttpsListener", "Limits", "Listeners", "Model",
    "Server", "Site", "Spec", "Target", "Timeouts", "Tls", "Trust", "Upstream", "upstream_url",
]  # fmt: skip

T = TypeVar("T")
_VARIABLE = r"|\$\{"  # an editor cannot know what ${NAME} will be


def _schema(description: str, pattern: str = "", example: str = "") -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "description": description}
    if pattern:
        schema["pattern"] = f"{pattern}{_VARIABLE}"
    if example:
        schema["examples"] = [example]
    return WithJsonSchema(schema)


_text = PlainSerializer(str, return_type=str)
Many = Annotated[tuple[T, ...], Field(strict=False)]
Time = Annotated[Duration, PlainValidator(Duration.parse), _text, _schema("duration", Duration.PATTERN, "30s")]
Bytes = Annotated[Size, PlainValidator(Size.parse), _text, _schema("size", Size.PATTERN, "20MiB")]
Limit = Annotated[
    Size,
    PlainValidator(Size.parse_limit),
    _text,
    _schema("size or `unlimited`", f"{Size.PATTERN}|^unlimited$", "20MiB"),
]
Listen = Annotated[
    ListenAddress, PlainValidator(ListenAddress.parse), _text, _schema("IP:PORT or :PORT", example="[::]:443")
]
Reach = Annotated[
    ServerAddress,
    PlainValidator(ServerAddress.parse),
    _text,
    _schema("HOST:PORT or unix:/PATH", example="127.0.0.1:8000"),
]
Hostname = Annotated[str, PlainValidator(hostname), _schema("host name", example="shop.example")]
FilePath = Annotated[str, PlainValidator(absolute_path), _schema("absolute path", "^/", "/etc/ssl/shop.pem")]
Network = Annotated[str, PlainValidator(network), _schema("address or network", example="10.0.0.0/8")]
Peer = Annotated[str, PlainValidator(peer), _schema("address, network or `unix`", example="10.0.0.2")]
App = Annotated[str, PlainValidator(application), _schema("module:attribute", example="shop.asgi:app")]


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Model(BaseModel):
    """What all parts share: no unknown keys, no silent conversions, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Target(Model):
    """A proxy that the site is rendered for."""

    proxy: str
    """Which proxy, such as `caddy`."""
    version: Annotated[str, PlainValidator(proxy_version), _schema("version or `auto`", example="2.11.7")] | None = None
    """Its version, in quotes; `auto` asks the installed program. Default: the newest that was tried."""
    admin: Annotated[
        str, PlainValidator(control), _schema("`off` or unix:/PATH", example="unix:/run/caddy/admin.sock")
    ] = "off"
    """Where the proxy's own control interface listens: `off`, or `unix:/PATH`."""


class AppServer(Model):
    """The other end of the hop: what `proxyconf render appserver` needs to know."""

    app: App
    """The application, as `module:attribute`."""
    app_dir: str | None = None
    """Directory the module is looked up in first. Default: where the server is started."""
    bind: Annotated[Many[Reach], BeforeValidator(_one_or_many, json_schema_input_type=str | list[str])] = ()
    """Where it listens, one address or a list. Default: what the upstreams name, if that is this machine."""
    trust: Many[Peer] = ()
    """Where the proxy connects from. Default: known if the upstream is a unix socket or loopback."""
    drain: Time = Duration(30_000)
    """How long requests in flight may take at a stop, in the proxy and in the app server."""


class Certificate(Model):
    """A certificate and its key, as PEM files."""

    cert: FilePath
    """The certificate, followed by its chain."""
    key: FilePath
    """The private key."""


class Tls(Model):
    """Where certificates come from."""

    certificates: Many[Certificate] = ()
    """Certificate files; the client's SNI chooses."""
    issuer: Literal["automatic", "internal"] | None = None
    """Without files: `automatic` (a public CA, the default) or `internal` (the proxy's own CA)."""

    @validates(mode="after")
    def _one_source(self) -> Tls:
        if self.certificates and self.issuer:
            raise ValueError("certificate files and an issuer exclude each other; remove one of the two keys")
        return self

    @property
    def source(self) -> Literal["files", "automatic", "internal"]:
        """Where certificates come from, defaults applied."""
        return "files" if self.certificates else self.issuer or "automatic"


class HttpListener(Model):
    """Cleartext HTTP for clients."""

    address: Listen = ListenAddress("", 80)
    """Where it listens."""
    redirect: Literal["https"] | None = None
    """`https` sends every client to the https listener; without it the sites are served in cleartext."""


class HttpsListener(Model):
    """HTTPS for clients, HTTP/2 and HTTP/1.1."""

    address: Listen = ListenAddress("", 443)
    """Where it listens."""
    tls: Tls = Tls()
    """Where certificates come from."""


class Listeners(Model):
    """Where clients connect. Every site is served on every listener."""

    http: HttpListener | None = None
    """Cleartext HTTP."""
    https: HttpsListener | None = None
    """HTTPS."""

    @validates(mode="after")
    def _some(self) -> Listeners:
        if not (self.http or self.https):
            raise ValueError("no listener; add http: or https:, or remove 'listeners' for :80 redirecting to :443")
        if self.http and self.http.redirect and not self.https:
            raise ValueError("'redirect: https' needs an https listener; add one or remove the redirect")
        if self.http and self.https and self.http.address == self.https.address:
            raise ValueError(f"http and https share the address {self.http.address}; give them different ports")
        return self


class Trust(Model):
    """Who may speak for the client."""

    trusted_proxies: Many[Network] = ()
    """Proxies in front of this one, whose X-Forwarded-For, -Proto and -Host are believed."""


class Connections(Model):
    """Connections between the proxy and the servers of an upstream."""

    idle_timeout: Time = Duration(60_000)
    """The proxy closes a connection idle for so long; the app server waits longer."""
    max_concurrent_streams: Annotated[int, Field(ge=1, le=2**31 - 1)] = 100
    """Requests at once on one HTTP/2 connection, as the app server announces it."""


class Server(Model):
    """One server of an upstream."""

    address: Reach
    """Where it listens."""


def _server(value: object) -> object:
    return {"address": value} if isinstance(value, str) else value


class Upstream(Model):
    """The servers behind the proxy that answer a site."""

    protocol: Literal["h2c", "http1"] = "h2c"
    """`h2c`: HTTP/2 in cleartext with prior knowledge. `http1`: HTTP/1.1."""
    servers: Annotated[
        Many[Annotated[Server, BeforeValidator(_server, json_schema_input_type=str | Server)]], Field(min_length=1)
    ]
    """The servers; requests are spread over them."""
    connections: Connections = Connections()
    """Connections to them."""


class Limits(Model):
    """What is refused for its size."""

    request_body: Limit = Size(100 * 2**20)
    """Longest request body; 413. The app server allows at least as much."""
    request_headers: Bytes = Size(32 * 2**10)
    """Longest request head; 431. The app server allows at least as much."""


class Timeouts(Model):
    """How long things may take."""

    connect: Time = Duration(5_000)
    """To connect to a server."""
    request: Time = Duration(60_000)
    """From the end of the request to the head of its response; 504. A response that has begun may stream on."""
    client_idle: Time = Duration(75_000)
    """A client's connection without requests."""
    stream_idle: Time = Duration(3_600_000)
    """Longest silence within a request or response body: server-sent events, slow uploads."""


def upstream_url(value: str) -> Upstream | None:
    """Read the shorthand `h2c://app:8000`; None if it is the name of an upstream."""
    scheme, mark, rest = value.partition("://")
    if not mark:
        return None
    protocols: dict[str, Literal["h2c", "http1"]] = {"h2c": "h2c", "http1": "http1", "http": "http1"}
    if scheme not in protocols:
        raise ValueError("an upstream is h2c://HOST:PORT, http1://HOST:PORT, h2c://unix:/PATH or a name in 'upstreams'")
    return Upstream(protocol=protocols[scheme], servers=(Server(address=ServerAddress.parse(rest.removesuffix("/"))),))


def _upstream(value: object) -> object:
    if isinstance(value, str):
        upstream_url(value)
    return value


class Site(Model):
    """Host names and what answers them."""

    hostnames: Annotated[Many[Hostname], Field(min_length=1)]
    """The names; `*.shop.example` stands for every name one label longer."""
    upstream: Annotated[str, BeforeValidator(_upstream)]
    """Which upstream answers: its name, or short `h2c://HOST:PORT`."""
    limits: Limits = Limits()
    """What is refused for its size."""
    timeouts: Timeouts = Timeouts()
    """How long things may take."""


class Spec(Model):
    """A site file."""

    version: Literal[1] = 1
    """The version of this format."""
    targets: Many[Target] = ()
    """The proxies to render for. Default: caddy."""
    appserver: AppServer | None = None
    """The app server, if it is ours."""
    listeners: Listeners = Listeners(http=HttpListener(redirect="https"), https=HttpsListener())
    """Where clients connect. Default: port 80, redirecting, and port 443."""
    trust: Trust = Trust()
    """Who may speak for the client."""
    upstreams: dict[str, Upstream] = {}
    """Upstreams by name."""
    sites: Annotated[Many[Site], Field(min_length=1)]
    """What is served; a host name that stands nowhere is answered 421."""

    def upstream(self, site: Site) -> Upstream:
        """Return the upstream of a site, written by name or short."""
        return upstream_url(site.upstream) or self.upstreams[site.upstream]
