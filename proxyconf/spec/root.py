"""The site file as a whole."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic import model_validator as validates

from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.appserver import AppServer
from proxyconf.spec.fields import Exclusive, Identifier, Many, Model, off, short
from proxyconf.spec.listeners import Listener, Tls, named_listeners
from proxyconf.spec.observe import Logging, Metrics, Tracing
from proxyconf.spec.raw import Raw
from proxyconf.spec.sites import Site
from proxyconf.spec.targets import Policy, Target
from proxyconf.spec.trust import Trust
from proxyconf.spec.upstreams import Upstream

__all__ = ["Spec"]

_LISTENERS = {
    "http": Listener(address=(ListenAddress("", 80),), redirect="https"),
    "https": Listener(address=(ListenAddress("", 443),), tls=Tls()),
}


class Spec(Model):
    """A site file."""

    version: Literal[1] = 1
    """The version of this format."""
    targets: Many[Target] = ()
    """The proxies to render for. Default: caddy."""
    policy: Policy = Policy()
    """What happens where a target lacks a feature. Default: it is refused."""
    appserver: AppServer | None = None
    """The app server, if it is ours."""
    listeners: Annotated[dict[Identifier, Listener], BeforeValidator(named_listeners), Field(min_length=1)] = _LISTENERS
    """Where clients connect, by name. Default: port 80, redirecting, and port 443."""
    trust: Trust = Trust()
    """Who may speak for the client."""
    upstreams: dict[Identifier, Upstream] = {}
    """Upstreams by name."""
    sites: Many[Site] = ()
    """What is served; a host name that stands nowhere is answered 421. Without them each listener has `mode: tcp`."""
    logging: Annotated[Logging | None, short(off, Logging, str)] = None
    """The access log. Default: the proxy's own."""
    metrics: Metrics | None = None
    """Figures for Prometheus."""
    tracing: Tracing | None = None
    """Fields that join the traces of several programs."""
    raw: dict[str, Raw] = {}
    """Text that goes into a proxy's configuration as it stands, by proxy; shown in every report."""

    @validates(mode="after")
    def _listeners(self) -> Spec:
        if not any(listener.tls for listener in self.listeners.values()):
            for name, listener in self.listeners.items():
                if listener.redirect:
                    raise Exclusive(f"'redirect: https' of {name} needs a listener with tls; add one or remove the redirect")
        return self
