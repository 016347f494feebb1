"""Who the client is: what is believed, what is erased, and what the app server is told."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.proxies.haproxy.plan import Lines, Words
from proxyconf.proxies.haproxy.words import acl, line
from proxyconf.spec.deployment import Deployment, ResolvedListener
from proxyconf.spec.trust import Trust
from proxyconf.syntax.haproxy import formatted
from proxyconf.syntax.words import Raw

__all__ = ["believed_acls", "identity", "request_id", "said_to_the_app", "scheme"]

_HOPS = 5
"""So many proxies in a row are looked through, from the right."""
_FIELDS = {"cf-connecting-ip": "cf-connecting-ip", "x-real-ip": "x-real-ip"}


def scheme(deployment: Deployment, listener: ResolvedListener) -> str:
    """Return the scheme that a client used: the listener's, unless a proxy in front may say another."""
    return "%[var(txn.proto)]" if deployment.trust.trusted_proxies else listener.scheme


def believed_acls(deployment: Deployment) -> Iterator[Words]:
    """Yield the ACLs that `identity` needs."""
    if not deployment.trust.trusted_proxies:
        return
    yield from acl("from_proxy", "src", deployment.trusted_networks)
    if deployment.trust.client_address in ("x-forwarded-for", "forwarded"):
        for hop in range(1, _HOPS):
            yield line(f"hop{hop} {_address(deployment.trust, hop)} -m found")


def _address(trust: Trust, hop: int) -> str:
    """Return the expression for the address that the `hop`th proxy from the right added."""
    if trust.client_address == "forwarded":
        return f"req.hdr(forwarded,-{hop}),rfc7239_field(for),rfc7239_n2nn"
    return f"req.hdr_ip(x-forwarded-for,-{hop})"


def identity(deployment: Deployment, listener: ResolvedListener) -> Iterator[Words]:
    """Yield what finds out the client's address, scheme and host.

    `src` is the peer until `set-src`; each step looks one proxy further only if the one before named an address and
    that one is a proxy's too, so nothing left of the first stranger is ever read.
    """
    trust = deployment.trust
    if not trust.trusted_proxies:
        return
    yield line(f"set-var(txn.proto) str({listener.scheme})")
    yield line("set-var(txn.from_proxy) bool(true) if from_proxy")
    if trust.client_address in _FIELDS:
        yield line(f"set-src req.hdr_ip({_FIELDS[trust.client_address]}) if from_proxy")
    elif trust.client_address != "proxy-protocol":
        for hop in range(1, _HOPS + 1):
            before = "".join(f" hop{number}" for number in range(1, hop))
            yield line(f"set-src {_address(trust, hop)} if from_proxy{before}")
    yield line(
        "set-var(txn.proto) req.hdr(x-forwarded-proto),lower if { var(txn.from_proxy) -m bool }"
        " { req.hdr(x-forwarded-proto) -i -m str http https }"
    )
    yield line("set-var(txn.said_host) req.hdr(x-forwarded-host) if { var(txn.from_proxy) -m bool }")


def request_id(trust: Trust) -> Iterator[Words]:
    """Yield what gives a request its name."""
    if trust.request_id is None:
        return
    header = trust.request_id.header
    yield line("set-var(txn.request_id) uuid()")
    if trust.request_id.accept_from_trusted and trust.trusted_proxies:
        yield line(f"set-var(txn.request_id) req.hdr({header}) if {{ var(txn.from_proxy) -m bool }} {{ req.hdr({header}) -m found }}")
    yield line(f"set-header {header} %[var(txn.request_id)]")


_ERASED: Lines = (
    line("del-header x-forwarded -m beg"),
    line("del-header forwarded"),
    line("del-header x-real-ip"),
)


def said_to_the_app(deployment: Deployment, listener: ResolvedListener) -> Iterator[Words]:
    """Yield what erases the clients' words and sets ours; what has '_' in its name was dropped before."""
    trust = deployment.trust
    yield from _ERASED
    if trust.client_address in _FIELDS and trust.trusted_proxies:
        yield line(f"del-header {_FIELDS[trust.client_address]}")
    fields = trust.forwarded.fields
    if trust.forwarded.dialect == "rfc7239":
        yield from _rfc7239(trust, scheme(deployment, listener))
        return
    # The client's were all erased: what is added is the only one, and nothing has to be looked for again.
    if "for" in fields:
        yield line("add-header X-Forwarded-For %[src]")
    if "proto" in fields:
        yield line(f"add-header X-Forwarded-Proto {scheme(deployment, listener)}")
    if "host" in fields:
        yield line("add-header X-Forwarded-Host %[req.hdr(host)]")
        if trust.trusted_proxies:
            yield line("set-header X-Forwarded-Host %[var(txn.said_host)] if { var(txn.said_host) -m found }")
    if "port" in fields:
        yield line(f"add-header X-Forwarded-Port {listener.public_port}")
    if "real-ip" in fields:
        yield line("add-header X-Real-IP %[src]")


def _rfc7239(trust: Trust, proto: str) -> Iterator[Words]:
    """Yield the Forwarded field; an IPv6 address stands in brackets and quotes (RFC 7239, section 6)."""
    words = {"proto": f"proto={proto}", "host": 'host="%[var(txn.said_host)]"'}
    rest = [words[name] for name in ("host", "proto") if name in trust.forwarded.fields]
    if "host" in trust.forwarded.fields:
        yield line("set-var(txn.said_host) req.hdr(host) unless { var(txn.said_host) -m found }")
        # Whatever else a host holds would end the quoted string.
        yield line("deny deny_status 400 if { var(txn.said_host) -m reg [^][A-Za-z0-9.:_-] }")
    if "for" not in trust.forwarded.fields:
        yield line("set-header Forwarded", formatted(Raw(";".join(rest))))
        return
    yield line("set-header Forwarded", formatted(Raw(";".join(["for=%[src]", *rest]))))
    yield line("set-header Forwarded", formatted(Raw(";".join(['for="[%[src]]"', *rest]))), Raw("if { src -m sub : }"))
