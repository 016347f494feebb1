"""What hosts have in common, said once outside of them, as Apache inherits it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from proxyconf.proxies.apache.plan import Host, Lines

__all__ = ["Common", "hoisted"]

# What says where a host is, or that it is encrypted at all, stays in the host.
_OWN = ("AllowEncodedSlashes", "Protocols", "SSLEngine", "SSLCertificate", "SSLVerifyClient", "RemoteIPProxyProtocol", "Header")


@dataclass(frozen=True, slots=True)
class Common:
    """The hosts without what was said further out, and that."""

    hosts: tuple[Host, ...]
    lines: Lines


def hoisted(hosts: tuple[Host, ...]) -> Common:
    """Move what is alike in all hosts that have it to the server: bounds in all, TLS in all that are encrypted."""
    secured = [host for host in hosts if any(line[0] == "SSLEngine On" for line in host.lines)]
    found = dict.fromkeys(line for host in (*secured, *hosts) for line in host.lines if not line[0].startswith(_OWN))
    shared = tuple(line for line in found if all(line in host.lines for host in (secured if line[0].startswith("SSL") else hosts)))
    return Common(tuple(replace(host, lines=tuple(one for one in host.lines if one not in shared)) for host in hosts), shared)
