"""The app server's end of the hop, from the same site: `appserver.toml`, proved against the options it has."""

from __future__ import annotations

import json
import tomllib
from dataclasses import Field, fields, is_dataclass
from typing import Any

from appserver.config.options import Config
from proxyconf.addresses import ServerAddress
from proxyconf.findings import Finding, Level, Path
from proxyconf.render import Bundle
from proxyconf.spec import AppServer, Spec, Upstream

__all__ = ["FILE", "problems", "render"]

FILE = "appserver.toml"
_LOOPBACK = ("127.0.0.1", "::1")
# What proxies add to a request head (X-Forwarded-*, Via), and what Go lets pass above a limit: 4 KiB.
_SLACK = 8_192

Values = dict[str, dict[str, Any]]


def render(spec: Spec) -> Bundle:
    """Return the TOML for the app server of a site, or the findings that keep it from being written."""
    server = spec.appserver
    if server is None:
        return _refused((), "the site has no app server of ours; add appserver: {app: module:attribute}")
    binds, finding = _binds(spec, server)
    if finding:
        return Bundle({}, (finding,))
    trust, finding = _trust(server, binds, _behind(spec, server))
    if finding:
        return Bundle({}, (finding,))
    values = _values(spec, server, [str(bind) for bind in binds], trust)
    wrong = problems(values)
    if wrong:
        return _refused(("appserver",), f"the app server would refuse this: {'; '.join(wrong)}")
    text = _toml(values)
    if tomllib.loads(text) != values:
        raise AssertionError("the TOML printer wrote something else than it was given")
    return Bundle({FILE: text})


def _refused(path: Path, message: str) -> Bundle:
    return Bundle({}, (Finding(Level.ERROR, path, message),))


def _used(spec: Spec) -> list[Upstream]:
    """Return the upstreams that sites name, each once."""
    found: list[Upstream] = []
    for site in spec.sites:
        upstream = spec.upstream(site)
        if upstream not in found:
            found.append(upstream)
    return found


def _addresses(upstreams: list[Upstream]) -> list[ServerAddress]:
    return list(dict.fromkeys(server.address for upstream in upstreams for server in upstream.servers))


def _same(bind: ServerAddress, address: ServerAddress) -> bool:
    """Whether a server bound at `bind` can be what the proxy reaches at `address`."""
    return bind.path == address.path and bind.port == address.port


def _behind(spec: Spec, server: AppServer) -> list[Upstream]:
    """Return the upstreams that this app server answers for."""
    if not server.bind:
        return _used(spec)
    return [
        upstream for upstream in _used(spec)
        if any(_same(bind, address) for bind in server.bind for address in _addresses([upstream]))
    ]  # fmt: skip


def _binds(spec: Spec, server: AppServer) -> tuple[list[ServerAddress], Finding | None]:
    """Return where the app server listens."""
    reached = _addresses(_used(spec))
    for index, bind in enumerate(server.bind):
        if not any(_same(bind, address) for address in reached):
            known = ", ".join(map(str, reached))
            message = f"no site's upstream reaches {bind}; the proxy connects to: {known}"
            return [], Finding(Level.ERROR, ("appserver", "bind", index), message)
    if server.bind:
        return list(server.bind), None
    away = [address for address in reached if not (address.is_unix or address.is_loopback)]
    if not away or (len(reached) == 1 and away[0].is_ip):
        return reached, None
    message = (
        f"where does the app server listen? Upstream {away[0]} may be another machine;"
        f' add appserver: {{bind: "0.0.0.0:{away[0].port}"}} or the address of this one'
    )
    return [], Finding(Level.ERROR, ("appserver",), message)


def _trust(
    server: AppServer, binds: list[ServerAddress], upstreams: list[Upstream]
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
        return [], Finding(Level.ERROR, ("appserver",), message)
    unix = ["unix"] if len(over_tcp) < len(binds) else []
    return unix + (list(_LOOPBACK) if over_tcp else []), None


def _values(spec: Spec, server: AppServer, binds: list[str], trust: list[str]) -> Values:
    """Return the options: each at least as wide as what the proxy lets through."""
    upstreams = _behind(spec, server)
    sites = [site for site in spec.sites if spec.upstream(site) in upstreams]
    bodies = [site.limits.request_body.bytes for site in sites]
    heads = max(site.limits.request_headers.bytes for site in sites)
    idle = max(upstream.connections.idle_timeout.seconds for upstream in upstreams)
    silence = max(site.timeouts.stream_idle.seconds for site in sites)
    defaults = Config()
    where = {"app_dir": server.app_dir} if server.app_dir is not None else {}
    return {
        "server": {
            "app": server.app, **where, "bind": binds,
            "http1": any(upstream.protocol == "http1" for upstream in upstreams),
        },
        "h2": {"max_concurrent_streams": max(upstream.connections.max_concurrent_streams for upstream in upstreams)},
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


def problems(values: Values) -> list[str]:
    """Return what the app server's options do not know or do not take."""
    sections = {section.name: section for section in fields(Config)}
    found: list[str] = []
    for name, options in values.items():
        if name not in sections:
            found.append(f"there is no section [{name}]")
            continue
        section = getattr(Config(), name)
        known = {option.name: option for option in fields(section)} if is_dataclass(section) else {}
        for key, value in options.items():
            where = f"[{name}] {key}"
            found += (
                _problem(where, known[key], value, getattr(section, key)) if key in known else [f"there is no {where}"]
            )
    return found


def _problem(where: str, option: Field[Any], value: Any, default: Any) -> list[str]:
    kinds: tuple[type, ...] = (
        (int, float) if type(default) is float else (list,) if type(default) is tuple else (type(default),)
    )
    if type(value) not in kinds or (type(value) is list and not all(type(item) is str for item in value)):
        return [f"{where} is not of the type of {default!r}: {value!r}"]
    meta = option.metadata
    low, high, choices = meta["low"], meta["high"], meta["choices"]
    if low is not None and value < low:
        return [f"{where} is {value}, at least {low} is needed"]
    if high is not None and value > high:
        return [f"{where} is {value}, at most {high} is possible"]
    if choices and value not in choices:
        return [f"{where} is {value!r}, not one of {', '.join(choices)}"]
    return []


def _toml(values: Values) -> str:
    """Print sections of plain values; a JSON string without non-ASCII escapes is a TOML string."""
    parts = []
    for name, options in values.items():
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in options.items()]
        parts.append("\n".join([f"[{name}]", *lines]))
    return "\n\n".join(parts) + "\n"
