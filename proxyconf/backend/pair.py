"""The server's end as a whole: its configuration, a systemd unit, and what the application has to be told."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from proxyconf.backend import appserver
from proxyconf.backend import unit as systemd
from proxyconf.backend.facts import Facts, facts
from proxyconf.backend.presets import PRESETS, Preset, mismatches
from proxyconf.document.findings import Finding, Rule
from proxyconf.facts.table import proxies_that_can, table
from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.spec.deployment import Deployment, ResolvedTcpListener

__all__ = ["advice", "paired", "render"]

TARGET = "appserver"


def render(deployment: Deployment, targets: Sequence[Target] = ()) -> Bundle:
    """Return what the server of a site is configured by: for ours a file, for others nothing but a command."""
    found, preset, wrong = _found(deployment, targets)
    if found is None or preset is None:
        return Bundle(TARGET, {}, wrong)
    if preset.name != TARGET:
        text = f"exec {shlex.join(preset.command(found))}\n"
        return Bundle(preset.name, {f"{preset.name}.sh": text}, tuple(_remarks(deployment, targets)))
    made = appserver.render(found)
    return Bundle(TARGET, made.files, (*made.findings, *_remarks(deployment, targets)))


def paired(deployment: Deployment, targets: Sequence[Target]) -> Bundle:
    """Return the same with a systemd unit beside it."""
    made = render(deployment, targets)
    found, preset, _ = _found(deployment, targets)
    if found is None or preset is None or made.refused:
        return made
    files = {**made.files, f"{systemd.name_of(found)}.service": systemd.unit(found, preset)}
    return Bundle(made.target, files, (*made.findings, *systemd.remarks(found, preset)))


def _found(
    deployment: Deployment, targets: Sequence[Target]
) -> tuple[Facts | None, Preset | None, tuple[Finding, ...]]:
    found, wrong = facts(deployment, targets)
    if found is None:
        return None, None, wrong
    preset = PRESETS[found.server.server]
    wrong = tuple(mismatches(preset, found))
    return (None if wrong else found), preset, wrong


def _remarks(deployment: Deployment, targets: Sequence[Target]) -> Iterator[Finding]:
    """Yield what no configuration of the server can put right."""
    server = deployment.spec.appserver
    if server is not None and server.server == TARGET and (server.workers or 1) > 1:
        message = f"appserver serves with one process; 'workers: {server.workers}' takes as many of it, each with an address of its own"
        yield Finding(Rule.REMARK, ("appserver", "workers"), message)
    for one in targets:
        is_told = server is not None and server.server == TARGET
        if deployment.listeners and not is_told and not table(one.proxy).can("early_hints", one.version, one.modules):
            message = f"{one.proxy} {one.version} carries no 103 Early Hints; the application must not send them"
            yield Finding(Rule.REMARK, ("appserver",), message)
        for listener in deployment.tcp_listeners:
            if listener.sends != "off" and listener.tls is not None and _is_silent_about_tls(listener, one):
                message = (
                    f"{one.proxy} {one.version} does not say by the PROXY header that clients have TLS, so the scheme is http for"
                    " the application; end TLS in the app server (no tls here, appserver: {certificates: [...]}), or use send: v2 with"
                    f" {' or '.join(proxies_that_can('tcp_tells_tls'))}"
                )
                yield Finding(Rule.REMARK, (*listener.path, "tls"), message)
    for listener in deployment.tcp_listeners:
        if listener.sends == "off":
            message = "without a PROXY header the proxy is the client for the application; write proxy_protocol: {send: v2} in the upstream"
            yield Finding(Rule.REMARK, (*listener.path, "upstream"), message)


def _is_silent_about_tls(listener: ResolvedTcpListener, target: Target) -> bool:
    known = table(target.proxy)
    if not known.can("tcp_listener", target.version, target.modules):
        return False
    return listener.sends != "v2" or not known.can("tcp_tells_tls", target.version, target.modules)


def advice(deployment: Deployment, targets: Sequence[Target]) -> list[str]:
    """Return what the application itself has to be told, in the words of its framework."""
    found, preset, _ = _found(deployment, targets)
    if found is None or preset is None:
        return []
    return [*_django(found, preset), "", *_flask(found, preset), "", *_quart(found, preset), "", *_starlette(found, preset)]


def _django(found: Facts, preset: Preset) -> Iterator[str]:
    names = [f".{name.removeprefix('*.')}" if name.startswith("*.") else name for name in found.hosts]
    yield "Django:"
    yield f"  ALLOWED_HOSTS = {names!r}"
    yield "  USE_X_FORWARDED_HOST = False  # the proxy passes Host on"
    if "proto" in preset.believes:
        yield f"  # no SECURE_PROXY_SSL_HEADER: {preset.name} takes the scheme from the proxy, and only from it"
    else:
        yield f'  SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # {preset.name} does not; only the proxy may reach it'
    if found.prefix:
        yield f'  FORCE_SCRIPT_NAME = "{found.prefix}"'


def _flask(found: Facts, preset: Preset) -> Iterator[str]:
    yield "Flask:"
    if len(preset.believes) == 2 and not found.prefix:
        yield f"  # no ProxyFix: {preset.name} takes address and scheme from the proxy"
    else:
        trusts = {"x_for": "for" not in preset.believes, "x_proto": "proto" not in preset.believes}
        counts = {**trusts, "x_host": False, "x_prefix": bool(found.prefix)}
        words = ", ".join(f"{name}={int(count)}" for name, count in counts.items())
        yield f"  app.wsgi_app = ProxyFix(app.wsgi_app, {words})"


def _quart(found: Facts, preset: Preset) -> Iterator[str]:
    yield "Quart:"
    if len(preset.believes) == 2:
        yield f"  # nothing: {preset.name} takes address and scheme from the proxy"
    else:
        yield '  app.asgi_app = ProxyFixMiddleware(app.asgi_app, mode="legacy", trusted_hops=1)  # hypercorn.middleware'


def _starlette(found: Facts, preset: Preset) -> Iterator[str]:
    yield "Starlette, FastAPI, Litestar:"
    if found.prefix and preset.name not in ("appserver", "hypercorn", "uvicorn", "granian"):
        yield f'  app = FastAPI(root_path="{found.prefix}")'
    elif found.prefix:
        yield f"  # no root_path: {preset.name} is told {found.prefix}"
    else:
        yield "  # nothing"
    if len(preset.believes) < 2:
        yield "  app.add_middleware(ProxyHeadersMiddleware)  # uvicorn's; for address and scheme"
