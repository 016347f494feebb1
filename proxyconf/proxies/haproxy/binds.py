"""`bind` lines: where HAProxy listens, and TLS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxyconf.facts.gate import Gate
from proxyconf.facts.table import Version
from proxyconf.proxies.haproxy.plan import Lines, Words
from proxyconf.proxies.haproxy.words import line
from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.ciphers import INTERMEDIATE, OLD
from proxyconf.spec.deployment import Deployment, ResolvedListener
from proxyconf.spec.listeners import Certificate, Tls
from proxyconf.syntax.words import Raw

__all__ = ["STORE_SINCE", "binds", "bound", "in_one_file", "places", "profile", "store"]

STORE_SINCE = Version.parse("3.0.0")
"""The first version that takes a key from a file of any name."""

# DHE would need parameters of its own, and 3DES is no part of today's OpenSSL.
_INTERMEDIATE, _OLD = (":".join(one for one in suites if not one.startswith(("DHE-", "DES-"))) for suites in (INTERMEDIATE, OLD))
_CIPHERS = {"modern": "", "intermediate": _INTERMEDIATE, "old": f"{_OLD}:@SECLEVEL=0"}
_OLDEST = {"modern": "TLSv1.3", "intermediate": "TLSv1.2", "old": "TLSv1.0"}


def profile(deployment: Deployment) -> Iterator[Words]:
    """Yield the TLS defaults of all listeners, of which `binds` says only what differs."""
    first = _first(deployment)
    if first is None:
        return
    if ciphers := _CIPHERS[first.profile]:
        yield line(f"ssl-default-bind-ciphers {ciphers}")
    yield line(f"ssl-default-bind-options ssl-min-ver {_OLDEST[first.profile]} no-tls-tickets")


def _first(deployment: Deployment) -> Tls | None:
    return next((listener.tls for listener in deployment.all_listeners if listener.tls), None)


def in_one_file(pair: Certificate) -> bool:
    """Whether HAProxy finds the key without being told: in the certificate's file, or beside it as CERT.key."""
    return pair.key in (pair.cert, f"{pair.cert}.key")


def _pairs(deployment: Deployment) -> dict[tuple[str, str], str]:
    """Return the certificates whose key has to be named, and our names for them."""
    pairs = [pair for listener in deployment.all_listeners if listener.tls for pair in listener.tls.certificates]
    apart = dict.fromkeys((pair.cert, pair.key) for pair in pairs if not in_one_file(pair))
    return {pair: f"certificate{at}" for at, pair in enumerate(apart, 1)}


def store(deployment: Deployment) -> Lines:
    """Return the `load` lines of the crt-store."""
    return tuple(
        (Raw("crt"), cert, Raw("key"), key, Raw(f"alias {name}")) for (cert, key), name in _pairs(deployment).items()
    )


def binds(deployment: Deployment, listener: ResolvedListener, gate: Gate) -> Iterator[Words]:
    """Yield a listener's lines, one for each address; a second one for HTTP/3."""
    for address in listener.addresses:
        for at, words in zip(places(address), bound(deployment, address, listener.tls, _alpn(listener)), strict=True):
            yield words
            if listener.tls is not None and listener.options.speaks("h3") and gate.can("http3_edge"):
                kind = "quic6" if "[" in at else "quic4"
                yield line(f"{kind}@{at} ssl", *_tls(deployment, listener.tls), Raw("alpn h3"))


def bound(deployment: Deployment, address: ListenAddress, tls: Tls | None, alpn: Sequence[str]) -> Iterator[Words]:
    """Yield the lines of one address; `alpn` are the protocols that are offered over TLS."""
    for where in places(address):
        if tls is None:
            yield line(where)
        else:
            yield line(f"{where} ssl", *_tls(deployment, tls), Raw(f"alpn {','.join(alpn)}"))


def places(address: ListenAddress) -> tuple[str, ...]:
    """Return where to bind; on a socket of both kinds an IPv4 client would be named ::ffff:192.0.2.7."""
    return (f":{address.port}", f"[::]:{address.port} v6only") if not address.host else (str(address),)


def _alpn(listener: ResolvedListener) -> list[str]:
    names = {"h2": "h2", "http1": "http/1.1"}
    return [name for protocol, name in names.items() if protocol in listener.options.protocols]


def _tls(deployment: Deployment, tls: Tls) -> Iterator[str]:
    names = _pairs(deployment)
    for pair in tls.certificates:
        yield Raw("crt")
        yield Raw(f"@site/{names[pair.cert, pair.key]}") if (pair.cert, pair.key) in names else pair.cert
    first = _first(deployment)
    if first is not None and tls.profile != first.profile:
        yield Raw(f"ssl-min-ver {_OLDEST[tls.profile]}")
        if ciphers := _CIPHERS[tls.profile]:
            yield Raw(f"ciphers {ciphers}")
    if tls.client_auth.mode != "none" and tls.client_auth.ca:
        yield Raw("ca-file")
        yield tls.client_auth.ca
        yield Raw("verify required" if tls.client_auth.mode == "require" else "verify optional")
