"""The other end of the hop, if it is ours or one that we know."""

from __future__ import annotations

from typing import Annotated, Literal

from proxyconf.spec.fields import App, FilePath, Many, Model, Peer, Reach, Text, Time, UserName, Workers, many
from proxyconf.spec.listeners import Certificate
from proxyconf.spec.units import Duration

__all__ = ["AppServer"]


class AppServer(Model):
    """The other end of the hop: what `proxyconf render appserver` needs to know."""

    app: App
    """The application, as `module:attribute`."""
    app_dir: Text | None = None
    """Directory the module is looked up in first. Default: where the server is started."""
    server: Literal["appserver", "hypercorn", "uvicorn", "gunicorn", "granian", "h2corn"] = "appserver"
    """Which server it is; each speaks what it can, and the upstream is checked against it."""
    workers: Workers | None = None
    """How many processes serve. Default: the server's own."""
    bind: Annotated[Many[Reach], many(Reach)] = ()
    """Where it listens, one address or a list. Default: what the upstreams name, if that is this machine."""
    trust: Annotated[Many[Peer], many(Peer)] = ()
    """Where the proxy connects from. Default: known if the upstream is a unix socket or loopback."""
    certificates: Many[Certificate] = ()
    """Its own certificates: it ends TLS where a listener with `mode: tcp` does not."""
    drain: Time = Duration(30_000)
    """How long requests in flight may take at a stop, in the proxy and in the app server."""
    stop_grace: Time | None = None
    """When the service manager kills what has not stopped. Default: 10 s more than `drain`."""
    user: Text | None = None
    """The user of the systemd unit."""
    group: UserName | None = None
    """The group of the systemd unit: the proxy's, so that it may open the server's unix socket."""
    directory: FilePath | None = None
    """The working directory of the systemd unit. Default: /srv and the first part of the module's name."""
