"""Where clients connect, and how their connections are secured."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic import model_validator as validates

from proxyconf.spec.fields import (
    Addresses,
    Exclusive,
    FilePath,
    Hostname,
    Many,
    Model,
    Network,
    PortNumber,
    Text,
    TimeOrOff,
    many,
)
from proxyconf.spec.policies import UpstreamName
from proxyconf.spec.units import Duration

__all__ = ["Acme", "Certificate", "ClientAuth", "Listener", "ProxyProtocolIn", "TcpTimeouts", "Tls", "named_listeners"]


class Certificate(Model):
    """A certificate and its key, as PEM files."""

    cert: FilePath
    """The certificate, followed by its chain."""
    key: FilePath
    """The private key."""
    hostnames: Annotated[Many[Hostname], many(Hostname)] = ()
    """Which names it is for, where there are several: some proxies have to be told."""


class Acme(Model):
    """How the proxy itself gets certificates from a public CA."""

    email: Text | None = None
    """Whom the CA writes to."""
    directory: Text | None = None
    """The CA's directory URL. Default: the proxy's own."""
    challenge: Literal["auto", "http-01", "tls-alpn-01"] = "auto"
    """How the CA is shown that the name is yours."""


class ClientAuth(Model):
    """Certificates of clients."""

    mode: Literal["none", "optional", "require"] = "none"
    """`require` refuses clients without one; `optional` takes one that is valid."""
    ca: FilePath | None = None
    """The CA that signed them, as a PEM file."""

    @validates(mode="after")
    def _has_a_ca(self) -> ClientAuth:
        if self.mode != "none" and self.ca is None:
            raise Exclusive(f"'mode: {self.mode}' needs a CA to check with; add ca: /PATH")
        return self


class Tls(Model):
    """Where certificates come from and which TLS is spoken."""

    profile: Literal["modern", "intermediate", "old"] = "intermediate"
    """Mozilla's names: `modern` is TLS 1.3 only, `intermediate` 1.2 and newer, `old` everything."""
    certificates: Many[Certificate] = ()
    """Certificate files; the client's SNI chooses."""
    issuer: Literal["automatic", "internal"] | None = None
    """Without files: `automatic` (a public CA, the default) or `internal` (the proxy's own CA)."""
    acme: Acme | None = None
    """How `automatic` asks."""
    client_auth: ClientAuth = ClientAuth()
    """Certificates of clients."""

    @validates(mode="after")
    def _one_source(self) -> Tls:
        if self.certificates and self.issuer:
            raise Exclusive("certificate files and an issuer exclude each other; remove one of the two keys")
        if self.acme and (self.certificates or self.issuer == "internal"):
            raise Exclusive("'acme' belongs to 'issuer: automatic'; remove it, or the certificate files or the issuer")
        return self

    @property
    def source(self) -> Literal["files", "automatic", "internal"]:
        """Where certificates come from, defaults applied."""
        return "files" if self.certificates else self.issuer or "automatic"


class ProxyProtocolIn(Model):
    """The PROXY header of a load balancer in front."""

    accept: Literal["off", "v1", "v2"] = "v2"
    """Which version it sends."""
    trusted: Annotated[Many[Network], Field(alias="from")] = ()
    """Which balancers may send one (`from`)."""


class TcpTimeouts(Model):
    """How long things may take on a listener that passes bytes on; each may be `off`."""

    connect: TimeOrOff = Duration(5_000)
    """To connect to a server."""
    tunnel: TimeOrOff = Duration(3_600_000)
    """Longest silence on a connection."""


class Listener(Model):
    """Where clients connect; cleartext without `tls`."""

    address: Addresses
    """Where it listens, one address or a list. Default for `http`: `:80`, for `https`: `:443`."""
    mode: Literal["http", "tcp"] = "http"
    """`http` serves sites. `tcp` passes bytes on to one upstream, and names the client by a PROXY header if that one says so."""
    upstream: UpstreamName | None = None
    """Where the bytes of `mode: tcp` go: the name of an upstream, or short `h2c://HOST:PORT`."""
    timeouts: TcpTimeouts = TcpTimeouts()
    """How long things may take in `mode: tcp`; for sites they are written in the site."""
    public_port: PortNumber | None = None
    """The port that clients see, behind a port mapping. Default: the address's."""
    protocols: Many[Literal["h3", "h2", "http1"]] = ("h2", "http1")
    """What is offered by ALPN (h3 by Alt-Svc); in cleartext only `http1` is spoken. In `mode: tcp` the upstream's decides."""
    redirect: Literal["https"] | None = None
    """`https` sends every client to the TLS listener; without it the sites are served here too."""
    acme_webroot: FilePath | None = None
    """Folder of /.well-known/acme-challenge/, for certificates that another program gets."""
    proxy_protocol: ProxyProtocolIn | None = None
    """The PROXY header of a load balancer in front."""
    tls: Tls | None = None
    """TLS. A listener named `https` has it by default, but not in `mode: tcp`."""

    @validates(mode="after")
    def _fits(self) -> Listener:
        if self.redirect and self.tls:
            raise Exclusive("a listener with TLS redirects nobody to https; remove one of 'redirect' and 'tls'")
        if not self.protocols:
            raise Exclusive("no protocol; write protocols: [h2, http1] or remove the key")
        if self.mode == "tcp" and self.upstream is None:
            raise Exclusive("'mode: tcp' passes bytes on to one upstream; add upstream: NAME")
        if "h3" in self.protocols and not self.tls:
            raise Exclusive("h3 is always encrypted; add tls or take it out of 'protocols'")
        return self

    def speaks(self, protocol: Literal["h3", "h2", "http1"]) -> bool:
        """Whether clients may use a protocol here."""
        return protocol in self.protocols and (self.tls is not None or protocol == "http1")


def named_listeners(value: Any) -> Any:
    """Fill in what the names `http` and `https` stand for."""
    if not isinstance(value, dict):
        return value
    found = dict(value)
    for name, standard in (("http", {"address": ":80"}), ("https", {"address": ":443", "tls": {}})):
        if isinstance(found.get(name), dict):
            passes = found[name].get("mode") == "tcp"
            found[name] = {**{key: value for key, value in standard.items() if key != "tls" or not passes}, **found[name]}
    return found
