"""Who the client is: the socket's peer, or whom a trusted peer speaks for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from appserver.config.grammar import Network, parse_trust
from appserver.contract import Address, Fields
from appserver.http.forwarded import hops, parse_hop, scheme

__all__ = ["TrustList"]


class TrustList:
    """The peers whose forwarding fields are believed; `unix` stands for unix sockets, `*` for everyone."""

    def __init__(self, entries: Iterable[str]) -> None:
        parsed = [parse_trust(entry) for entry in entries]
        self._everyone = "*" in parsed
        self._unix = "unix" in parsed
        self._networks: list[Network] = [entry for entry in parsed if not isinstance(entry, str)]

    def for_peer(self, host: str | None) -> TrustList | None:
        """Return what resolves this peer's forwarding fields, None if it is not believed. None is a unix socket."""
        if host is None:
            return self if self._unix or self._everyone else None
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return None
        return self if self._trusts(address) else None

    def _trusts(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        if self._everyone:
            return True
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)

    def resolve(self, fields: Fields) -> tuple[Address | None, str | None]:
        """Return the client and the scheme: the first hop from our side that is not trusted itself.

        An entry that is no address ends the walk: what is left of it was written by nobody we know.
        """
        client: Address | None = None
        for entry in hops(fields):
            hop = parse_hop(entry)
            if hop is None:
                break
            client = (str(hop[0]), hop[1])
            if not self._trusts(hop[0]):
                break
        return client, scheme(fields)
