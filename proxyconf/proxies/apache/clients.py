"""Who the client is: what is believed, what is erased, and what the app server is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import product
from typing import TypeVar

from proxyconf.proxies.apache.plan import Lines, Rule, Words, line
from proxyconf.spec.deployment import Deployment, ResolvedListener
from proxyconf.syntax.words import Raw

__all__ = ["believed", "erased", "from_networks", "identity", "strangers", "told", "twins", "written"]

# Apache knows no mask of no bits.
_HALVES = {"0.0.0.0/0": ("0.0.0.0/1", "128.0.0.0/1"), "::/0": ("::/1", "8000::/1")}

_FIELDS = {"x-forwarded-for": "X-Forwarded-For", "cf-connecting-ip": "CF-Connecting-IP", "x-real-ip": "X-Real-IP"}
# Apache removes fields by their names only; these are the ones that applications and servers are known to read.
_SPOKEN = (
    "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server",
    "X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Forwarded-Ssl", "X-Forwarded-By", "X-Forwarded-User", "X-Forwarded-Email",
    "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token", "X-Forwarded-Uri", "X-Forwarded-Method",
    "X-Forwarded-Path", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert", "X-Real-IP",
)  # fmt: skip


def believed(deployment: Deployment) -> Iterator[Words]:
    """Yield what finds out the client's address: rightmost first, as long as who said it is trusted."""
    networks = deployment.trusted_networks
    field = _FIELDS.get(deployment.trust.client_address)
    if not networks:
        return
    if field is not None:
        yield line(f"RemoteIPHeader {field}")
        for network in written(networks):
            yield line("RemoteIPInternalProxy", network)
    yield line(f'SetEnvIfExpr "{from_networks("CONN_REMOTE_ADDR", networks)}" FROM_PROXY=1')


def from_networks(variable: str, networks: tuple[str, ...]) -> Raw:
    """Return an expression that holds for addresses of these networks."""
    return Raw(" || ".join(f"%{{{variable}}} -ipmatch '{network}'" for network in written(networks)))


def written(networks: Sequence[str]) -> tuple[str, ...]:
    """Return networks as Apache reads them."""
    return tuple(one for network in networks for one in _HALVES.get(network, (network,)))


def erased(deployment: Deployment) -> Iterator[Words]:
    """Yield what removes the fields in which clients speak for proxies, and what they could make us remove."""
    yield line(r'RequestHeader edit Connection "(?i)^.*\bclose\b.*$" close')
    yield line(r'RequestHeader edit Connection "(?i)^.*\bupgrade\b.*$" upgrade')
    yield line(r'''RequestHeader unset Connection "expr=req_novary('Connection') !~ /^(?:close|upgrade)$/i"''')
    for name in _names(deployment):
        yield line(f"RequestHeader unset {name}")


def twins(deployment: Deployment) -> Iterator[Words]:
    """Yield what removes the same under the names that servers take for theirs."""
    for name in _names(deployment):
        for twin in _twins(name):
            yield line(f"RequestHeader unset {twin}")


def _names(deployment: Deployment) -> tuple[str, ...]:
    """Return the fields that speak for clients."""
    field = _FIELDS.get(deployment.trust.client_address)
    return tuple(dict.fromkeys((*_SPOKEN, "Forwarded", *([field] if field else []))))


def _twins(name: str) -> Iterator[str]:
    """Yield the names that servers take for the same: each `-` may be `_`."""
    first, *rest = name.split("-")
    for marks in product("-_", repeat=len(rest)):
        if "_" in marks:
            yield first + "".join(mark + word for mark, word in zip(marks, rest, strict=True))


def identity(deployment: Deployment, listener: ResolvedListener) -> Iterator[Rule]:
    """Yield the rules that note the request's target as it was sent, and the scheme and host that are believed."""
    target = line(r'%{THE_REQUEST} "^[^ ]+ (?:[A-Za-z][A-Za-z0-9+.-]*://[^/? ]*)?(/[^ ]*)"')
    yield Rule((target,), line('"^" "-" [E=TARGET:%1]'))
    if not deployment.trusted_networks:
        return
    yield Rule((), line(f'"^" "-" [E=PROTO:{listener.scheme},E=HOST:%{{HTTP_HOST}}]'))
    trusted = line('%{ENV:FROM_PROXY} "1"')
    proto = line(r'%{HTTP:X-Forwarded-Proto} "^(http|https)\z" [NV]')
    yield Rule((trusted, proto), line('"^" "-" [E=PROTO:%1]'))
    host = line(r'%{HTTP:X-Forwarded-Host} "^([A-Za-z0-9.:_\[\]-]+)\z" [NV]')
    yield Rule((trusted, host), line('"^" "-" [E=HOST:%1]'))
    named = deployment.trust.request_id
    if named is not None and named.accept_from_trusted:
        said = line(rf'%{{HTTP:{named.header}}} "^([A-Za-z0-9._:-]+)\z" [NV]')
        yield Rule((trusted, said), line('"^" "-" [E=REQUEST_NAME:%1]'))


def told(deployment: Deployment, listener: ResolvedListener) -> Lines:
    """Return what the app server is told; everything else that clients said was erased before."""
    trust = deployment.trust
    trusts = bool(deployment.trusted_networks)
    proto = "expr=%{reqenv:PROTO}" if trusts else listener.scheme
    host = "%{reqenv:HOST}" if trusts else "%{HTTP_HOST}"
    values = {
        "for": ("X-Forwarded-For", '"expr=%{REMOTE_ADDR}"'), "proto": ("X-Forwarded-Proto", f'"{proto}"'),
        "host": ("X-Forwarded-Host", f'"expr={host}"'), "port": ("X-Forwarded-Port", str(listener.public_port)),
        "real-ip": ("X-Real-IP", '"expr=%{REMOTE_ADDR}"'),
    }  # fmt: skip
    wanted = [key for key in values if key in trust.forwarded.fields]
    found: list[Words] = []
    if trust.forwarded.dialect == "rfc7239":
        found += _rfc7239(wanted, proto.removeprefix("expr="), host)
        wanted = [key for key in wanted if key in ("port", "real-ip")]
    found += [line(f"set {values[key][0]} {values[key][1]}") for key in wanted]
    if trust.request_id is not None:
        found.append(line(f'set {trust.request_id.header} "%{{UNIQUE_ID}}e"'))
        if trusts and trust.request_id.accept_from_trusted:
            found.append(line(f'set {trust.request_id.header} "%{{REQUEST_NAME}}e" env=REQUEST_NAME'))
    return tuple(found)


def _rfc7239(fields: Sequence[str], proto: str, host: str) -> Iterator[Words]:
    """Yield the Forwarded field; an IPv6 address stands in brackets and quotes (RFC 7239, section 6)."""
    words = {"proto": f"proto={proto}", "host": f'host=\\"{host}\\"'}
    rest = [words[key] for key in ("proto", "host") if key in fields]
    if "for" in fields:
        plain, quoted = (";".join([one, *rest]) for one in ("for=%{REMOTE_ADDR}", r'for=\"[%{REMOTE_ADDR}]\"'))
        yield line(f'set Forwarded "expr={plain}"')
        yield line(f'''set Forwarded "expr={quoted}" "expr=%{{REMOTE_ADDR}} =~ /:/"''')
    elif rest:
        yield line(f'set Forwarded "expr={";".join(rest)}"')


def strangers(listener: ResolvedListener) -> tuple[str, ...]:
    """Return every network but those of the balancers: Apache wants a PROXY header of all that it is not told of."""
    balancer = listener.options.proxy_protocol
    assert balancer is not None
    trusted = [ip_network(one) for one in balancer.trusted]
    halves4 = [IPv4Network(one) for one in _HALVES["0.0.0.0/0"]]
    halves6 = [IPv6Network(one) for one in _HALVES["::/0"]]
    for one in trusted:
        if isinstance(one, IPv4Network):
            halves4 = [piece for whole in halves4 for piece in _without(whole, one)]
        else:
            halves6 = [piece for whole in halves6 for piece in _without(whole, one)]
    return tuple(str(one) for one in (*sorted(halves4), *sorted(halves6)))


N = TypeVar("N", IPv4Network, IPv6Network)


def _without(whole: N, taken: N) -> list[N]:
    """Return what is left of a network without another."""
    if whole.subnet_of(taken):
        return []
    return list(whole.address_exclude(taken)) if taken.subnet_of(whole) else [whole]
