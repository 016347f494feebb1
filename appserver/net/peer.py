# cython: boundscheck=False, wraparound=False
"""Who the client is: the socket's peer, or whom a trusted peer speaks for."""

from __future__ import annotations

from collections.abc import Iterable

from appserver.accepted import Trust
from appserver.config.grammar import Network, parse_trust
from appserver.contract import Address
from appserver.http.forwarded import MAX_HOPS, Hop

__all__ = ["TrustList"]

HOPS = MAX_HOPS
_COMMA = 44
_MAPPED = 0xFFFF << 32  # ::ffff:0:0/96


class TrustedNetwork:
    """One network as numbers; an IPv4-mapped one is the IPv4 network that it maps."""

    __slots__ = ("high", "high_mask", "is_ipv4", "low", "low_mask")

    def __init__(self, network: Network) -> None:
        address, mask = int(network.network_address), int(network.netmask)
        self.is_ipv4 = network.version == 4
        if not self.is_ipv4 and network.prefixlen >= 96 and address >> 32 == _MAPPED >> 32:
            self.is_ipv4 = True
            address &= 0xFFFFFFFF
            mask &= 0xFFFFFFFF
        self.high: int = address >> 64
        self.high_mask: int = mask >> 64
        self.low: int = address & 0xFFFFFFFFFFFFFFFF
        self.low_mask: int = mask & 0xFFFFFFFFFFFFFFFF

    def contains(self, hop: Hop) -> bool:
        """Tell whether the address is in this network."""
        return (
            self.is_ipv4 == hop.is_ipv4
            and hop.high & self.high_mask == self.high
            and hop.low & self.low_mask == self.low
        )


class TrustList(Trust):
    """The peers whose forwarding fields are believed; `unix` stands for unix sockets, `*` for everyone."""

    __slots__ = ("_everyone", "_hop", "_networks", "_unix")

    def __init__(self, entries: Iterable[str]) -> None:
        parsed = [parse_trust(entry) for entry in entries]
        self._everyone = "*" in parsed
        self._unix = "unix" in parsed
        self._networks = [TrustedNetwork(entry) for entry in parsed if not isinstance(entry, str)]
        self._hop = Hop()

    def for_peer(self, host: str | None) -> TrustList | None:
        """Return what resolves this peer's forwarding fields, None if it is not believed. None is a unix socket."""
        if host is None:
            return self if self._unix or self._everyone else None
        address = host.partition("%")[0].encode("ascii", "replace")
        hop = self._hop
        return self if hop.parse(address, 0, len(address)) and self._trusts(hop) else None

    def resolve(self, forwarded_for: bytes) -> Address | None:
        """Return the client: the first hop from our side that is not trusted itself.

        An entry that is no address ends the walk: what is left of it was written by nobody we know.
        """
        hop = self._hop
        client: Address | None = None
        text = forwarded_for
        stop = len(forwarded_for)
        for _ in range(HOPS):
            start = stop
            while start > 0 and text[start - 1] != _COMMA:
                start -= 1
            if not hop.parse(forwarded_for, start, stop):
                break
            client = hop.address()
            if start == 0 or not self._trusts(hop):
                break
            stop = start - 1
        return client

    def trusts(self, hop: Hop) -> bool:
        """Tell whether the address is that of a peer that is trusted."""
        return self._trusts(hop)

    def _trusts(self, hop: Hop) -> bool:
        if self._everyone:
            return True
        for network in self._networks:  # noqa: SIM110 - any() would make a generator for each address
            if network.contains(hop):
                return True
        return False
