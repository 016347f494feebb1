"""The servers that can stand behind a proxy: what each speaks, and how it is started for a site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Literal

from proxyconf.backend.facts import Facts
from proxyconf.document.findings import Finding, Rule
from proxyconf.spec.addresses import ServerAddress

__all__ = ["PRESETS", "Preset", "mismatches"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One server."""

    name: str
    h2c: bool
    """Whether it takes HTTP/2 in cleartext with prior knowledge."""
    websocket_over_h2: bool
    many_binds: bool
    """Whether it listens at more than one address."""
    proxy_protocol: tuple[str, ...]
    believes: frozenset[str]
    """What it takes from X-Forwarded-* of trusted proxies: `for`, the client's address, and `proto`, the scheme."""
    command: Callable[[Facts], list[str]]
    reloads: Literal["always", "workers", "never"] = "never"
    """Whether SIGHUP makes it load the application again: `never`: it ends the process; `workers`: only with more than one."""
    own_listeners: bool = False
    """Whether each address has settings of its own, and a PROXY header makes an end of what else is believed."""


def mismatches(preset: Preset, found: Facts) -> Iterator[Finding]:
    """Yield what the proxy would say and this server would not understand."""
    if found.h2c and not preset.h2c:
        message = f"{preset.name} speaks no HTTP/2 in cleartext; write protocol: http1 in the upstream, or another server"
        yield Finding(Rule.PAIR, ("appserver", "server"), message)
    if found.passed and not preset.own_listeners:
        message = (
            f"behind a listener with mode: tcp {preset.name} has to be configured by hand: what it believes by the PROXY header"
            " and what by forwarded fields; or write server: appserver"
        )
        yield Finding(Rule.PAIR, ("appserver", "server"), message)
    elif found.proxy_protocol != "off" and preset.own_listeners:
        message = (
            f"behind a PROXY header {preset.name} believes no forwarded field, the scheme among them; for sites write send: off"
            " (forwarded fields name the client), or pass bytes on by a listener with mode: tcp"
        )
        yield Finding(Rule.PAIR, ("appserver", "server"), message)
    elif found.proxy_protocol != "off" and found.proxy_protocol not in preset.proxy_protocol:
        message = f"{preset.name} takes no PROXY header of {found.proxy_protocol}; write send: off, or another server"
        yield Finding(Rule.PAIR, ("appserver", "server"), message)
    if len(found.binds) > 1 and not preset.many_binds:
        message = f"{preset.name} listens at one address; the upstreams reach {', '.join(map(str, found.binds))}"
        yield Finding(Rule.PAIR, ("appserver", "bind"), message)


def _whole(seconds: float) -> str:
    return str(max(1, ceil(seconds)))


def _keep_alive(found: Facts) -> str:
    """The proxy must be the one that closes an idle connection."""
    return _whole(found.idle_seconds * 2)


def _workers(flag: str, found: Facts) -> list[str]:
    return [flag, str(found.server.workers)] if found.server.workers else []


def _trusted(found: Facts) -> str:
    return ",".join(found.trust)


def _appserver(found: Facts) -> list[str]:
    return ["appserver", "-c", "appserver.toml"]


def _hypercorn(found: Facts) -> list[str]:
    binds = [word for bind in found.binds for word in ("--bind", str(bind))]
    times = ["--keep-alive", _keep_alive(found), "--graceful-timeout", _whole(found.drain_seconds)]
    mounted = ["--root-path", found.prefix] if found.prefix else []
    return ["hypercorn", *binds, *_workers("--workers", found), *times, *mounted, found.server.app]


def _host_port(bind: ServerAddress) -> list[str]:
    return ["--uds", bind.path] if bind.is_unix else ["--host", bind.host, "--port", str(bind.port)]


def _uvicorn(found: Facts) -> list[str]:
    times = ["--timeout-keep-alive", _keep_alive(found), "--timeout-graceful-shutdown", _whole(found.drain_seconds)]
    # A peer on a unix socket has no address; only "*" believes it, and only who may open the socket gets that far.
    peers = ["--proxy-headers", "--forwarded-allow-ips", "*" if "unix" in found.trust else _trusted(found)]
    mounted = ["--root-path", found.prefix] if found.prefix else []
    return ["uvicorn", *_host_port(found.binds[0]), *_workers("--workers", found), *times, *peers, *mounted, found.server.app]


def _gunicorn(found: Facts) -> list[str]:
    binds = [word for bind in found.binds for word in ("--bind", str(bind))]
    times = ["--keep-alive", _keep_alive(found), "--graceful-timeout", _whole(found.drain_seconds)]
    peers = ["--forwarded-allow-ips", "*" if "unix" in found.trust else _trusted(found)]
    header = ["--proxy-protocol", "--proxy-allow-from", _trusted(found)] if found.proxy_protocol != "off" else []
    return ["gunicorn", "-k", "asgi", *binds, *_workers("--workers", found), *times, *peers, *header, found.server.app]


def _granian(found: Facts) -> list[str]:
    spoken = "auto" if found.http1 and found.h2c else "2" if found.h2c else "1"
    streams = ["--http2-max-concurrent-streams", str(found.streams)] if found.h2c else []
    kill = ["--workers-kill-timeout", _whole(found.drain_seconds)]
    mounted = ["--url-path-prefix", found.prefix] if found.prefix else []
    words = ["granian", "--interface", "asgi", "--http", spoken, *_host_port(found.binds[0]), *_workers("--workers", found)]
    return [*words, *streams, *kill, *mounted, found.server.app]


def _h2corn(found: Facts) -> list[str]:
    binds = [word for bind in found.binds for word in ("--bind", str(bind))]
    times = ["--timeout-keep-alive", _keep_alive(found), "--timeout-graceful-shutdown", _whole(found.drain_seconds)]
    peers = ["--proxy-headers", "--forwarded-allow-ips", _trusted(found)]
    limits = ["--max-concurrent-streams", str(found.streams), "--limit-request-head-size", str(found.head_bytes)]
    limits += ["--max-request-body-size", str(found.body_bytes)] if found.body_bytes else []
    header = ["--proxy-protocol", found.proxy_protocol] if found.proxy_protocol != "off" else []
    spoken = [] if found.http1 else ["--no-http1"]
    words = ["h2corn", *binds, *_workers("--workers", found), *spoken, *times, *peers, *limits, *header]
    return [*words, found.server.app]


_BOTH, _NOTHING = frozenset({"for", "proto"}), frozenset[str]()
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("appserver", True, True, True, ("v1", "v2"), _BOTH, _appserver, own_listeners=True),
        Preset("hypercorn", True, True, True, (), _NOTHING, _hypercorn),
        Preset("uvicorn", False, False, False, (), _BOTH, _uvicorn, "workers"),
        Preset("gunicorn", False, False, True, ("v1", "v2"), frozenset({"proto"}), _gunicorn, "always"),
        Preset("granian", True, False, False, (), _NOTHING, _granian, "always"),
        Preset("h2corn", True, True, True, ("v1", "v2"), _BOTH, _h2corn, "workers"),
    )
}
