"""Our own server's end: `appserver.toml`, checked by the server's own configuration code."""

from __future__ import annotations

import json
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from appserver.config import sources
from appserver.config.options import Config
from appserver.errors import ConfigError
from proxyconf.document.findings import Finding, Path, Rule
from proxyconf.facts.table import table
from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.spec.addresses import ServerAddress
from proxyconf.spec.appserver import AppServer
from proxyconf.spec.deployment import Deployment, Forward, ResolvedRoute, ResolvedUpstream, ServeFiles

__all__ = ["FILE", "problems", "render"]

FILE = "appserver.toml"
_LOOPBACK = ("127.0.0.1", "::1")
# What proxies add to a request head (X-Forwarded-*, Via), and what Go lets pass above a limit: 4 KiB.
_SLACK = 8_192

Values = dict[str, dict[str, Any]]


def render(deployment: Deployment, targets: Sequence[Target] = ()) -> Bundle:
    """Return the TOML for the app server of a site, or the findings that keep it from being written."""
    server = deployment.spec.appserver
    if server is None:
        return _refused(
            Rule.NO_APPSERVER, (), "the site has no app server of ours; add appserver: {app: module:attribute}"
        )
    binds, finding = _binds(deployment, server)
    if finding:
        return Bundle("appserver", {}, (finding,))
    trust, finding = _trust(server, binds, _behind(deployment, server))
    if finding:
        return Bundle("appserver", {}, (finding,))
    values = _values(deployment, server, [str(bind) for bind in binds], trust, targets)
    text = _toml(values)
    if tomllib.loads(text) != values:
        raise AssertionError("the TOML printer wrote something else than it was given")
    wrong = problems(text)
    if wrong:
        message = f"the app server would refuse this: {'; '.join(wrong)}"
        return _refused(Rule.APPSERVER_REFUSES, ("appserver",), message)
    return Bundle("appserver", {FILE: text})


def problems(text: str) -> list[str]:
    """Return what the app server's own code says about a configuration file."""
    with tempfile.TemporaryDirectory(prefix="proxyconf-") as folder:
        path = FilePath(folder, FILE)
        path.write_text(text, encoding="utf-8")
        try:
            sources.load(["-c", str(path)], {})
        except ConfigError as error:
            return [line.replace(f"{folder}/", "") for line in str(error).splitlines()]
    return []


def _refused(rule: Rule, path: Path, message: str) -> Bundle:
    return Bundle("appserver", {}, (Finding(rule, path, message),))


def _addresses(upstreams: Sequence[ResolvedUpstream]) -> list[ServerAddress]:
    return list(dict.fromkeys(server.address for upstream in upstreams for server in upstream.options.servers))


def _same(bind: ServerAddress, address: ServerAddress) -> bool:
    """Whether a server bound at `bind` can be what the proxy reaches at `address`."""
    return bind.path == address.path and bind.port == address.port


def _behind(deployment: Deployment, server: AppServer) -> list[ResolvedUpstream]:
    """Return the upstreams that this app server answers for."""
    if not server.bind:
        return list(deployment.upstreams)
    return [
        upstream for upstream in deployment.upstreams
        if any(_same(bind, address) for bind in server.bind for address in _addresses([upstream]))
    ]  # fmt: skip


def _binds(deployment: Deployment, server: AppServer) -> tuple[list[ServerAddress], Finding | None]:
    """Return where the app server listens."""
    reached = _addresses(deployment.upstreams)
    for index, bind in enumerate(server.bind):
        if not any(_same(bind, address) for address in reached):
            known = ", ".join(map(str, reached))
            message = f"no site's upstream reaches {bind}; the proxy connects to: {known}"
            return [], Finding(Rule.BIND, ("appserver", "bind", index), message)
    if server.bind:
        return list(server.bind), None
    away = [address for address in reached if not (address.is_unix or address.is_loopback)]
    if not away or (len(reached) == 1 and away[0].is_ip):
        return reached, None
    message = (
        f"where does the app server listen? Upstream {away[0]} may be another machine;"
        f' add appserver: {{bind: "0.0.0.0:{away[0].port}"}} or the address of this one'
    )
    return [], Finding(Rule.WHERE, ("appserver",), message)


def _trust(
    server: AppServer, binds: list[ServerAddress], upstreams: list[ResolvedUpstream]
) -> tuple[list[str], Finding | None]:
    """Return whose X-Forwarded-For the app server believes: the proxy's, nobody else's."""
    if server.trust:
        return list(server.trust), None
    over_tcp = [bind for bind in binds if not bind.is_unix]
    reached = [address for address in _addresses(upstreams) if any(_same(bind, address) for bind in over_tcp)]
    away = next((address for address in (*over_tcp, *reached) if not address.is_loopback), None)
    if away is not None:
        message = (
            f"the proxy reaches {away} from an address that is not known here; name it, such as"
            " appserver: {trust: [10.0.0.2]}, or use a unix socket or 127.0.0.1"
        )
        return [], Finding(Rule.WHOM, ("appserver",), message)
    unix = ["unix"] if len(over_tcp) < len(binds) else []
    return unix + (list(_LOOPBACK) if over_tcp else []), None


def _upstream(route: ResolvedRoute) -> ResolvedUpstream | None:
    action = route.action
    return action.upstream if isinstance(action, Forward) else action.fallback if isinstance(action, ServeFiles) else None


def _needs_http1(upstream: ResolvedUpstream, targets: Sequence[Target]) -> bool:
    """Whether HTTP/1.1 comes to an upstream: asked for, or for WebSockets that a proxy cannot carry over HTTP/2."""
    options = upstream.options
    if options.protocol == "http1" or options.websocket == "over_http1":
        return True
    if options.websocket != "auto" or options.is_grpc:
        return False
    return any(not table(one.proxy).can("websocket_over_h2", one.version, one.modules) for one in targets)


def _values(
    deployment: Deployment, server: AppServer, binds: list[str], trust: list[str], targets: Sequence[Target]
) -> Values:
    """Return the options: each at least as wide as what the proxy lets through."""
    upstreams = _behind(deployment, server)
    routes = [route for site in deployment.sites for route in site.routes if _upstream(route) in upstreams]
    bodies = [route.policies.limits.request_body.bytes for route in routes]
    heads = max(route.policies.limits.request_headers.bytes for route in routes)
    idle = max(upstream.options.connections.idle_timeout.seconds for upstream in upstreams)
    silence = max(route.policies.timeouts.stream_idle.seconds for route in routes)
    streams = max(upstream.options.connections.max_concurrent_streams for upstream in upstreams)
    defaults = Config()
    where = {"app_dir": server.app_dir} if server.app_dir is not None else {}
    return {
        "server": {
            "app": server.app, **where, "bind": binds,
            "http1": any(_needs_http1(upstream, targets) for upstream in upstreams),
        },
        "h2": {"max_concurrent_streams": streams},
        "limit": {
            "field_size": max(defaults.limit.field_size, heads + _SLACK),
            "head_size": max(defaults.limit.head_size, heads + _SLACK),
            "request_body": 0 if 0 in bodies else max(bodies),
        },
        "timeout": {
            # The proxy must be the one that closes an idle connection, or a request meets a closed one.
            "keep_alive": max(defaults.timeout.keep_alive, idle * 2),
            "h2_idle": max(defaults.timeout.h2_idle, idle * 2),
            "request_body_idle": silence,
            "response_stall": silence,
            "graceful": server.drain.seconds,
        },
        "forwarded": {"trust": trust},
    }  # fmt: skip


def _toml(values: Values) -> str:
    """Print sections of plain values; a JSON string without non-ASCII escapes is a TOML string."""
    parts = []
    for name, options in values.items():
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in options.items()]
        parts.append("\n".join([f"[{name}]", *lines]))
    return "\n\n".join(parts) + "\n"
