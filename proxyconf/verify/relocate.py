"""A site moved to this machine for a run: loopback, free ports, throw-away certificates; everything else as it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from proxyconf.spec.addresses import ListenAddress, ServerAddress
from proxyconf.spec.appserver import AppServer
from proxyconf.spec.deployment import Deployment, Forward, ResolvedRoute, ResolvedUpstream, resolved
from proxyconf.spec.listeners import Certificate, Listener, ProxyProtocolIn, Tls
from proxyconf.spec.policies import Policies
from proxyconf.spec.root import Spec
from proxyconf.spec.targets import Target
from proxyconf.spec.units import Duration, Size
from proxyconf.spec.upstreams import HealthCheck, Server, Upstream, UpstreamTls, upstream_url
from proxyconf.verify.address import free_port
from proxyconf.verify.certificates import Certificates

__all__ = ["BODY_LIMIT", "HOP_NAME", "RESPONSE_HEAD", "Relocation"]

# Bounds that a probe has to reach: longer ones are brought down for the run, and the run says so.
BODY_LIMIT, RESPONSE_HEAD, HEALTH_INTERVAL = Size(8 * 2**20), Duration(3_000), Duration(1_000)
# What the servers of a TLS upstream are called: a certificate is for a name.
HOP_NAME = "localhost"


@dataclass
class Relocation:
    """Where everything of one site went. `sockets` is a folder with a short name: a socket's path is bounded."""

    certificates: Certificates
    sockets: Path
    servers: dict[ServerAddress, ServerAddress] = field(default_factory=dict)
    listeners: dict[ListenAddress, ListenAddress] = field(default_factory=dict)
    scaled: list[str] = field(default_factory=list)

    def spec(self, spec: Spec) -> Spec:
        """Return the site file's model, moved."""
        moved: Spec = self._moved(spec, "")
        return moved

    def deployment(self, spec: Spec) -> Deployment:
        """Return what it comes to, its bounds brought down."""
        deployment = resolved(self.spec(spec))
        sites = tuple(
            replace(site, policies=self._scaled(site.policies), routes=tuple(map(self._scaled_route, site.routes)))
            for site in deployment.sites
        )
        return replace(deployment, sites=sites, upstreams=tuple(map(self._trusting, deployment.upstreams)))

    def _moved(self, value: Any, name: str) -> Any:
        match value:
            case ListenAddress():
                return self.listeners.setdefault(value, ListenAddress("127.0.0.1", free_port()))
            case ServerAddress():
                return self.servers.setdefault(value, self._server(value))
            case BaseModel():
                return self._model(value)
            case tuple():
                return tuple(self._moved(item, name) for item in value)
            case dict():
                return {key: self._moved(item, str(key)) for key, item in value.items()}
            case str() if name == "upstream":
                return self._reference(value)
        return value

    def _server(self, address: ServerAddress) -> ServerAddress:
        if address.is_unix:
            return ServerAddress("", 0, str(self.sockets / f"{len(self.servers)}.sock"))
        return ServerAddress("127.0.0.1", free_port())

    def _named(self, server: Server) -> Server:
        """Return a server of a TLS upstream by name; every other is an address."""
        address = server.address
        return server if address.is_unix else server.model_copy(update={"address": ServerAddress(HOP_NAME, address.port)})

    def _reference(self, text: str) -> str:
        """Return the name of an upstream as it is, its URL with the new address."""
        upstream = upstream_url(text)
        if upstream is None:
            return text
        server = self._moved(upstream.servers[0], "")
        if upstream.is_tls:
            server = self._named(server)
        return f"{text.partition('://')[0]}://{server.address}"

    def _model(self, model: BaseModel) -> BaseModel:
        names = type(model).model_fields
        found = {name: self._moved(getattr(model, name), name) for name in names}
        match model:
            case Tls():
                files = Certificate(cert=str(self.certificates.certificate), key=str(self.certificates.key))
                found |= {"certificates": (files,), "issuer": None, "acme": None}
            case Listener():
                found |= {"public_port": None, "acme_webroot": None}
            case Upstream() if model.is_tls:
                found |= {"servers": tuple(self._named(server) for server in found["servers"])}
            case ProxyProtocolIn():  # the balancer in front is the run itself
                found |= {"trusted": (*model.trusted, "127.0.0.0/8")}
            case AppServer():  # both follow from the upstreams, which are on this machine now
                found |= {"bind": (), "trust": ()}
            case Target():
                found |= {"admin": f"unix:{self.sockets / 'admin.sock'}"}
            case HealthCheck() if model.interval > HEALTH_INTERVAL:
                self._note("health_check interval", model.interval, HEALTH_INTERVAL)
                found |= {"interval": HEALTH_INTERVAL}
        # What is set stays what was written: only what changed counts as set now.
        return model.model_copy(update={name: new for name, new in found.items() if new != getattr(model, name)})

    def _scaled_route(self, route: ResolvedRoute) -> ResolvedRoute:
        action = route.action
        if isinstance(action, Forward):
            action = replace(action, upstream=self._trusting(action.upstream))
        auth = route.auth_upstream and self._trusting(route.auth_upstream)
        return replace(route, policies=self._scaled(route.policies), action=action, auth_upstream=auth)

    def _trusting(self, upstream: ResolvedUpstream) -> ResolvedUpstream:
        """Return it with the run's CA in place of the one that its servers' certificates are of."""
        if not upstream.options.is_tls:
            return upstream
        tls = UpstreamTls(ca=str(self.certificates.ca))
        return replace(upstream, options=upstream.options.model_copy(update={"tls": tls}))

    def _scaled(self, policies: Policies) -> Policies:
        limits, timeouts = policies.limits, policies.timeouts
        changed: dict[str, object] = {}
        if not limits.request_body.is_unlimited and limits.request_body > BODY_LIMIT:
            self._note("request_body", limits.request_body, BODY_LIMIT)
            changed["limits"] = limits.model_copy(update={"request_body": BODY_LIMIT})
        if timeouts.response_head > RESPONSE_HEAD:
            self._note("timeouts request", timeouts.response_head, RESPONSE_HEAD)
            less = {"request": RESPONSE_HEAD, "backend_request": None}
            changed["timeouts"] = timeouts.model_copy(update=less)
        return policies.model_copy(update=changed)

    def _note(self, name: str, old: object, new: object) -> None:
        said = f"{name} {old} is {new} for this run"
        if said not in self.scaled:
            self.scaled.append(said)
