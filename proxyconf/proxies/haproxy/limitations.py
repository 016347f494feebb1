"""What only HAProxy is particular about; the table is asked before."""

from __future__ import annotations

import re

from proxyconf.document.findings import Path
from proxyconf.facts.gate import Gate
from proxyconf.facts.table import Version
from proxyconf.proxies.haproxy.binds import STORE_SINCE, in_one_file
from proxyconf.proxies.haproxy.policies import MIN_LENGTH_SINCE
from proxyconf.spec.deployment import Deployment, ResolvedListener, ResolvedRoute, ResolvedTcpListener, ResolvedUpstream
from proxyconf.spec.routes import Respond
from proxyconf.spec.units import Size

__all__ = ["judge"]

_SECTIONS = ("global", "defaults", "frontend", "backend")
_LONGEST_HEAD = Size(2**20)
_LONGEST_BODY = 8192
_MOST_CERTIFICATES = 24  # a line has 64 words
_PAGES = frozenset({200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, 501, 502, 503, 504})
_PARAMETER = re.compile(r"[A-Za-z0-9._~*+^!|-]+", re.ASCII)


def judge(deployment: Deployment, gate: Gate) -> None:
    """Find all that HAProxy cannot do for reasons of its own."""
    _sections(deployment, gate)
    _sockets(deployment, gate)
    for listener in deployment.listeners:
        _listener(listener, gate)
    for passing in deployment.tcp_listeners:
        _certificates(passing, gate)
    for upstream in deployment.upstreams:
        _upstream(upstream, gate)
    for site in deployment.sites:
        for route in site.routes:
            _route(route, gate)


def _sections(deployment: Deployment, gate: Gate) -> None:
    written = deployment.spec.raw.get("haproxy")
    for name in written.sections if written else ():
        if name not in _SECTIONS:
            gate.refuse(("raw", "haproxy", name), f"haproxy.cfg has no such section here; there are {', '.join(_SECTIONS)}")


def _sockets(deployment: Deployment, gate: Gate) -> None:
    places: list[tuple[Path, str]] = [((*gate.target.path, "admin"), gate.target.admin)]
    for upstream in deployment.all_upstreams:
        places += [
            (_at(upstream, "servers", at), str(server.address)) for at, server in enumerate(upstream.options.servers)
        ]
    for path, text in places:
        if text.startswith("unix:") and "$" in text:
            gate.refuse(path, "HAProxy replaces '$' in the path of a unix socket by the environment; use another path")


def _at(upstream: ResolvedUpstream, *steps: str | int) -> Path:
    return (*upstream.path, *steps) if upstream.path[:1] == ("upstreams",) else upstream.path


def _listener(listener: ResolvedListener, gate: Gate) -> None:
    balancer = listener.options.proxy_protocol
    path = (*listener.path, "proxy_protocol")
    if balancer is not None and balancer.accept != "off":
        if not balancer.trusted:
            gate.refuse(path, "without addresses everybody may send a PROXY header and be anybody; add from: [10.0.0.2]")
        if listener.options.speaks("h3"):
            gate.refuse(path, "HAProxy reads PROXY headers on TCP only, and HTTP/3 comes past them; take h3 out of 'protocols'")
    if listener.tls is None:
        return
    if listener.options.protocols == ("h3",):
        gate.refuse((*listener.path, "protocols"), "browsers find HTTP/3 through another protocol; add h2 or http1")
    _certificates(listener, gate)


def _certificates(listener: ResolvedListener | ResolvedTcpListener, gate: Gate) -> None:
    if listener.tls is None:
        return
    if len(listener.tls.certificates) > _MOST_CERTIFICATES:
        gate.refuse(
            (*listener.path, "tls", "certificates"),
            f"a line of haproxy.cfg has room for {_MOST_CERTIFICATES} certificates; write certificates of several names, or"
            " give the others a listener of their own",
        )
    for at, pair in enumerate(listener.tls.certificates):
        if gate.version < STORE_SINCE and not in_one_file(pair):
            gate.refuse(
                (*listener.path, "tls", "certificates", at, "key"),
                f"HAProxy before {STORE_SINCE} finds a key in the certificate's own file or beside it under its name with .key"
                f" added: {pair.cert}.key; put it there, or write both into one file and name that for both",
            )


def _upstream(upstream: ResolvedUpstream, gate: Gate) -> None:
    options = upstream.options
    if options.is_tls:
        for at, server in enumerate(options.servers):
            if server.address.is_unix or server.address.is_ip:
                gate.refuse(_at(upstream, "servers", at), "a certificate is checked against a host name; give the server's name")


def _route(route: ResolvedRoute, gate: Gate) -> None:
    policies = route.policies
    if policies.limits.request_headers > _LONGEST_HEAD:
        message = f"HAProxy holds a request head in one buffer, which every connection has; at most {_LONGEST_HEAD}"
        gate.refuse((*route.where("limits"), "request_headers"), message)
    for name in route.match.query:
        if not _PARAMETER.fullmatch(name):
            gate.refuse((*route.path, "match", "query", name), "HAProxy takes names of parameters of letters, digits and ._~*+^!|- only")
    if isinstance(route.action, Respond):
        _respond(route, route.action, gate)
    if policies.errors is not None and policies.errors.source == "proxy":
        for at, page in enumerate(policies.errors.pages):
            for status in sorted(set(page.statuses) - _PAGES):
                message = f"HAProxy itself never answers {status}; write from: any if it is the app's"
                gate.refuse((*route.where("errors"), "pages", at, "statuses"), message)
    if policies.rate_limit is not None and policies.rate_limit.status < 200:
        gate.refuse((*route.where("rate_limit"), "status"), "an answer has a status from 200 to 599")
    if policies.compression is not None and gate.version < Version.parse(MIN_LENGTH_SINCE):
        message = f"HAProxy before {MIN_LENGTH_SINCE} compresses short responses too; min_length is not in the configuration"
        gate.note(route.where("compression"), message)
    if policies.early_hints == "off":
        message = "HAProxy passes on every 103 that it gets; the app server is the one that has to be silent"
        gate.note(route.where("early_hints"), message)


def _respond(route: ResolvedRoute, answer: Respond, gate: Gate) -> None:
    text = answer.text[0]
    if answer.status < 200:
        gate.refuse((*route.path, "respond", "status"), "an answer has a status from 200 to 599")
    if len(text.encode()) > _LONGEST_BODY:
        message = f"HAProxy holds a fixed answer in one buffer, at most {_LONGEST_BODY} bytes; let an upstream answer"
        gate.refuse((*route.path, "respond"), message)
    if re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]", text):
        gate.refuse((*route.path, "respond", "body"), "a control character in a fixed answer; remove it")
