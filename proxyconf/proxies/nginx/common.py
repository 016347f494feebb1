"""What servers and locations have in common, said once on an outer level, as nginx inherits it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from proxyconf.proxies.nginx.plan import NOTHING, Location, Server, Tls, Words
from proxyconf.syntax.words import Raw

__all__ = ["Common", "hoisted"]

# Of a location's own lines, those that may stand further out without a change of meaning.
_INHERITED = ("client_max_body_size", "proxy_", "grpc_")


@dataclass(frozen=True, slots=True)
class Common:
    """The servers without what was said further out, and that."""

    servers: tuple[Server, ...]
    lines: tuple[Words, ...]
    tls: Tls | None
    fields: tuple[Words, ...]


def hoisted(servers: tuple[Server, ...]) -> Common:
    """Move what is alike in all servers to `http`."""
    fields = {prefix: _most_common_fields(servers, prefix) for prefix in ("proxy", "grpc")}
    servers = tuple(_without_fields(_headers(server), fields) for server in servers)
    lines = tuple(line for line in servers[0].lines if all(line in server.lines for server in servers)) if servers else ()
    inherited = _alike_in_locations(servers)
    servers = tuple(_without_lines(server, lines, inherited) for server in servers)
    secured = [server.tls for server in servers if server.tls]
    shared = [replace(tls, certificate=NOTHING, key=NOTHING) for tls in secured]
    tls = shared[0] if shared and all(one == shared[0] for one in shared) else None
    if tls is not None:
        servers = tuple(_certificate_only(server) for server in servers)
    said = tuple((Raw(f"{prefix}_set_header"), *words) for prefix, found in fields.items() for words in found)
    return Common(servers, (*lines, *inherited), tls, said)


def _locations(servers: tuple[Server, ...]) -> list[Location]:
    return [location for server in servers for location in server.locations]


def _most_common_fields(servers: tuple[Server, ...], prefix: str) -> tuple[Words, ...]:
    """Return the fields that most locations set; a location with others sets all of its own."""
    found = Counter(one.proxy.fields for one in _locations(servers) if one.proxy and one.proxy.prefix == prefix)
    return found.most_common(1)[0][0] if found else ()


def _without_fields(server: Server, fields: dict[str, tuple[Words, ...]]) -> Server:
    locations = tuple(
        replace(one, proxy=replace(one.proxy, fields=()))
        if one.proxy is not None and one.proxy.fields == fields[one.proxy.prefix] else one
        for one in server.locations
    )  # fmt: skip
    return replace(server, locations=locations)


def _headers(server: Server) -> Server:
    """Move `add_header` to the server if all locations that clients reach add the same."""
    found = {location.headers for location in server.locations if not location.internal}
    inner = {location.headers for location in server.locations if location.internal}
    if len(found) != 1 or not found.issuperset(inner - {()}) or found == {()}:
        return server
    locations = tuple(replace(location, headers=()) for location in server.locations)
    return replace(server, headers=next(iter(found)), locations=locations)


def _alike_in_locations(servers: tuple[Server, ...]) -> tuple[Words, ...]:
    """Return the lines that every location has that could have them."""
    plain = [location.lines for location in _locations(servers) if location.lines]
    proxied = {
        prefix: [one.proxy.lines for one in _locations(servers) if one.proxy and one.proxy.prefix == prefix]
        for prefix in ("proxy", "grpc")
    }
    groups = [plain, *proxied.values()]
    return tuple(
        line for group in groups if group
        for line in group[0] if line[0].startswith(_INHERITED) and all(line in lines for lines in group)
    )  # fmt: skip


def _without_lines(server: Server, lines: tuple[Words, ...], inherited: tuple[Words, ...]) -> Server:
    locations = tuple(
        replace(
            one,
            lines=tuple(line for line in one.lines if line not in inherited),
            proxy=one.proxy and replace(one.proxy, lines=tuple(line for line in one.proxy.lines if line not in inherited)),
        )
        for one in server.locations
    )
    return replace(server, lines=tuple(line for line in server.lines if line not in lines), locations=locations)


def _certificate_only(server: Server) -> Server:
    if server.tls is None:
        return server
    return replace(server, tls=Tls(server.tls.certificate, server.tls.key, NOTHING, NOTHING, NOTHING, NOTHING))
