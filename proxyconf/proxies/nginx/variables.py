"""The variables of nginx.conf: what `map` and `geo` decide once, for all servers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import count

from proxyconf.facts.gate import Gate
from proxyconf.proxies.nginx.plan import Map, Words
from proxyconf.spec.deployment import Deployment
from proxyconf.spec.policies import Cors
from proxyconf.spec.routes import Match
from proxyconf.syntax.nginx import pattern
from proxyconf.syntax.words import Raw

__all__ = ["Variables"]

_PORT_OF_REQUEST_SINCE = (1, 29, 3)


@dataclass
class Variables:
    """Collects them, each once, in the order in which they are asked for."""

    deployment: Deployment
    gate: Gate
    maps: list[Map] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make those that every server needs."""
        self._authority = self._of_request()
        if self.deployment.trusted_networks:
            self._trust()
        if self.deployment.trust.request_id is not None:
            self._request_id()

    def _of_request(self) -> Raw:
        """Return the Host of a request with its port, but never another host than the one that nginx chose the server by."""
        if self.gate.version.numbers >= _PORT_OF_REQUEST_SINCE:
            return Raw("$host$is_request_port$request_port")
        return self._add("map", (Raw('"$host|$http_host"'),), "$authority", [
            (Raw("default"), Raw("$host")),
            (Raw('"~*^([^|]+)\\\\|(\\\\1:[0-9]+)$"'), Raw("$2")),
        ])  # fmt: skip

    def _add(self, kind: str, source: Words, variable: str, entries: list[Words]) -> Raw:
        made = Map(Raw(kind), source, Raw(variable), tuple(entries))
        if made not in self.maps:
            self.maps.append(made)
        return Raw(variable)

    def geo(self, variable: str, networks: Words, source: str = "") -> Raw:
        """Return a variable that is 1 for addresses of these networks, of the client or of another variable."""
        entries: list[Words] = [(Raw("default"), Raw("0")), *((network, Raw("1")) for network in networks)]
        return self._add("geo", (Raw(source),) if source else (), variable, entries)

    def _trust(self) -> None:
        trusted = self.geo("$from_trusted", self.deployment.trusted_networks, "$realip_remote_addr")
        self._add("map", (Raw(f'"{trusted}|$http_x_forwarded_proto"'),), "$client_scheme", [
            (Raw("default"), Raw("$scheme")), (Raw('"1|http"'), Raw("http")), (Raw('"1|https"'), Raw("https")),
        ])  # fmt: skip
        self._add("map", (Raw(f'"{trusted}|$http_x_forwarded_host"'),), "$client_host", [
            (Raw("default"), self._authority), (Raw('"~^1\\\\|([A-Za-z0-9.:_\\\\[\\\\]-]+)$"'), Raw("$1")),
        ])  # fmt: skip

    def _request_id(self) -> None:
        request_id = self.deployment.trust.request_id
        if request_id is None or not request_id.accept_from_trusted or not self.deployment.trusted_networks:
            return
        name = request_id.header.lower().replace("-", "_")
        self._add("map", (Raw(f'"$from_trusted|$http_{name}"'),), "$request_name", [
            (Raw("default"), Raw("$request_id")), (Raw('"~^1\\\\|([A-Za-z0-9._:-]+)$"'), Raw("$1")),
        ])  # fmt: skip

    @property
    def scheme(self) -> Raw:
        """The scheme that the client used."""
        return Raw("$client_scheme" if self.deployment.trusted_networks else "$scheme")

    @property
    def host(self) -> Raw:
        """The host that the client asked for, with its port."""
        return Raw("$client_host") if self.deployment.trusted_networks else self._authority

    @property
    def authority(self) -> Raw:
        """The host that the request names, with its port."""
        return self._authority

    @property
    def request_id(self) -> Raw:
        """The name of the request."""
        return Raw("$request_name" if any(made.variable == "$request_name" for made in self.maps) else "$request_id")

    def condition(self, name: str, match: Match) -> Raw:
        """Return a variable that is 1 where the methods, fields and parameters of a match fit."""
        parts: list[tuple[str, str]] = []
        if match.methods:
            parts.append(("$request_method", f"(?:{'|'.join(match.methods)})"))
        for header, value in match.headers.items():
            parts.append((f"$http_{header.lower().replace('-', '_')}", re.escape(value)))
        for parameter, value in match.query.items():
            parts.append((f"$arg_{parameter}", re.escape(value)))
        source = "|".join(variable for variable, _ in parts)
        expression = r"\|".join(expression for _, expression in parts)
        return self._add("map", (Raw(f'"{source}"'),), f"${name}", [
            (Raw("default"), Raw("0")), (pattern(f"~^{expression}$"), Raw("1")),
        ])  # fmt: skip

    def default_header(self, header: str, value: str) -> Raw:
        """Return a variable that holds a value if the app sent no such field, else nothing."""
        words = f"{header}_{value}".lower()
        stem = f"$default_{re.sub('[^a-z0-9]', '_', words)[:60]}"
        source: Words = (Raw(f"$upstream_http_{header.lower().replace('-', '_')}"),)
        entries: list[Words] = [(Raw("default"), Raw('""')), (Raw('""'), value)]
        # Long values may begin alike.
        of_others = {made.variable for made in self.maps if (made.source, made.entries) != (source, tuple(entries))}
        name = next(one for at in count(1) if (one := f"{stem}_{at}" if at > 1 else stem) not in of_others)
        return self._add("map", source, name, entries)

    def origin(self, name: str, cors: Cors) -> Raw:
        """Return a variable that holds the request's origin if it is one of these, else nothing."""
        allowed = Raw("*") if "*" in cors.origins else Raw("$http_origin")
        if "*" in cors.origins:
            entries: list[Words] = [(Raw("default"), allowed), (Raw('""'), Raw('""'))]
        else:
            entries = [(Raw("default"), Raw('""')), *((origin, allowed) for origin in cors.origins)]
        return self._add("map", (Raw("$http_origin"),), f"${name}_origin", entries)

    def preflight(self, name: str, cors: Cors) -> Raw:
        """Return a variable that is 1 for a preflight of an allowed origin."""
        origin = self.origin(name, cors)
        source = f'"$request_method|$http_access_control_request_method|{origin}"'
        entries: list[Words] = [(Raw("default"), Raw("0")), (Raw('"~^OPTIONS\\\\|.+\\\\|.+"'), Raw("1"))]
        return self._add("map", (Raw(source),), f"${name}_preflight", entries)

    def only_if(self, variable: Raw, name: str, value: str) -> Raw:
        """Return a variable that holds a value where another is not empty."""
        entries: list[Words] = [(Raw("default"), value), (Raw('""'), Raw('""'))]
        return self._add("map", (variable,), f"${name}", entries)

    def if_one(self, variable: Raw, name: str, value: str) -> Raw:
        """Return a variable that holds a value where another is 1."""
        entries: list[Words] = [(Raw("default"), Raw('""')), (Raw("1"), value)]
        return self._add("map", (variable,), f"${name}", entries)

    def rest(self, name: str, prefix: str) -> Raw:
        """Return a variable that holds what follows a prefix in the request's target, as the client wrote it."""
        expression = f"~^{re.escape(prefix)}([^?]*)(.*)$"
        entries: list[Words] = [(Raw("default"), Raw('""')), (pattern(expression), Raw('"$1$2"'))]
        return self._add("map", (Raw("$request_uri"),), f"${name}_rest", entries)

    def websocket(self) -> Raw:
        """Return a variable that is not empty where a client asks for a WebSocket; a hash is cheaper than an expression."""
        return self._add("map", (Raw("$http_upgrade"),), "$asks_for_websocket", [
            (Raw("default"), Raw('""')), (Raw("websocket"), Raw("1")),
        ])  # fmt: skip

    def grpc(self) -> Raw:
        """Return a variable that is not empty where a client calls by gRPC."""
        return self._add("map", (Raw("$content_type"),), "$calls_by_grpc", [
            (Raw("default"), Raw('""')), (Raw('"~^application/grpc(\\\\+|;|$)"'), Raw("1")),
        ])  # fmt: skip

    def early_hints(self) -> Raw:
        """Return a variable that is not empty where a client is known to cope with 103: navigations."""
        return self._add("map", (Raw("$http_sec_fetch_mode"),), "$takes_early_hints", [
            (Raw("default"), Raw('""')), (Raw("navigate"), Raw("1")),
        ])  # fmt: skip

