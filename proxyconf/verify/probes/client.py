"""Who the client is: address and scheme arrive, and nobody can speak for another."""

from __future__ import annotations

from proxyconf.verify.address import Address
from proxyconf.verify.edge.http1 import send_raw
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.link import Edge
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.seen import Seen
from proxyconf.verify.subject import Feature

__all__ = ["FORGED", "PROBES", "SAID_BY_PROXIES", "SPOOFED"]

CLIENT, STRANGER, FORGED = "127.0.0.2", "127.0.0.3", "203.0.113.9"
SPOOFED = (
    ("x-forwarded-for", f"{FORGED}, 198.51.100.7"), ("x-forwarded-proto", "gopher"), ("x-forwarded-host", "evil.test"),
    ("x-forwarded-port", "1"), ("x-forwarded-prefix", "/evil"), ("x-forwarded-user", "root"),
    ("x-forwarded-server", "evil.test"), ("x-forwarded-ssl", "off"), ("x-real-ip", FORGED),
    ("forwarded", f"for={FORGED};proto=gopher;host=evil.test"),
)  # fmt: skip
# Servers that turn '-' into '_' (WSGI, CGI) read these as the fields above.
UNDERSCORED = (("x_forwarded_for", FORGED), ("x-forwarded_for", FORGED), ("x_real_ip", FORGED),
               ("x_forwarded_proto", "gopher"))  # fmt: skip
FORGED_PAST = (("x-forwarded-for", FORGED), ("x-forwarded-proto", "https"))
HOPS = {"HTTP/2": "h2", "HTTP/1.1": "h1"}
SAID_BY_PROXIES = ("x-forwarded", "x_forwarded", "forwarded", "x-real", "x_real")
HOP_BY_HOP = b"close, x-forwarded-for, x-forwarded-proto, x-forwarded-host"


def about_client(seen: Seen) -> dict[str, list[str]]:
    """Return the fields that speak about the client."""
    names = dict.fromkeys(name.lower() for name, _ in seen.fields if name.lower().startswith(SAID_BY_PROXIES))
    return {name: seen.values(name) for name in names}


def wrong_about_client(context: Context, seen: Seen, address: str) -> list[str]:
    """Say what the origin was told wrong about a client with that address."""
    said, edge, wrong = about_client(seen), context.edge, []
    right = {"for": [address], "proto": [edge.scheme], "host": [edge.authority], "port": [str(edge.port)]}
    for word in sorted(context.subject.forwarded & right.keys()):
        name = f"x-forwarded-{word}"
        got = said.pop(name, [])
        # The host may be named without its port, or have gone where an app server puts it.
        if word == "host" and (got == [edge.hostname] or (seen.client and not got and seen.host == edge.authority)):
            continue
        if got != right[word]:
            wrong.append(f"{name} is {', '.join(got) or 'missing'} instead of {right[word][0]}")
    forged = {name: values for name, values in said.items() if dict((*SPOOFED, *UNDERSCORED)).get(name) in values}
    wrong += [f"{name}: {', '.join(values)} came through" for name, values in forged.items()]
    if "for" in context.subject.believes and seen.client != address:
        wrong.append(f"{seen.server} calls the client {seen.client}")
    return wrong


async def address_and_scheme(context: Context) -> Observation:
    """Ask from an address of one's own."""
    edge = context.edge.from_address(CLIENT)
    found = {name: (await context.ask(name, edge=edge)).seen() for name in context.protocols}
    observed = Observation("", {name: {"fields": about_client(seen), "client": seen.client} for name, seen in found.items()})
    for seen in found.values():
        observed.wrong += wrong_about_client(context, seen, CLIENT)
    one = next(iter(found.values()))
    told = f"; {one.server}: client {one.client}, scheme {one.scheme}" if one.client else ""
    observed.text = f"from {CLIENT}: for {one.value('x-forwarded-for')}, proto {one.value('x-forwarded-proto')}{told}"
    if "proto" in context.subject.believes:
        observed.expect(one.scheme == edge.scheme, f"{one.server} takes the scheme for {one.scheme}")
    return observed


async def spoofing(context: Context) -> Observation:
    """Send every field by which a proxy speaks for a client."""
    return await _spoof(context, SPOOFED)


async def underscores(context: Context) -> Observation:
    """Send them under the names that become the same in CGI's form."""
    return await _spoof(context, UNDERSCORED)


async def _spoof(context: Context, forged: tuple[tuple[str, str], ...]) -> Observation:
    edge = context.edge.from_address(CLIENT)
    observed, refused = Observation("", {}), 0
    facts: dict[str, object] = {}
    for name in context.protocols:
        response = await context.ask(name, edge=edge, fields=forged)
        if 400 <= response.status < 500:
            refused += 1
            facts[name] = response.status
            continue
        seen = response.seen()
        facts[name] = about_client(seen)
        observed.wrong += [f"{name}: {wrong}" for wrong in wrong_about_client(context, seen, CLIENT)]
        passed = [key for key, value in forged if value in seen.values(key)]
        observed.wrong += [f"{name}: {key} came through" for key in passed if not _is_named(key, observed.wrong)]
    observed.facts = facts
    observed.text = f"{len(forged)} forged fields over {', '.join(context.protocols)}"
    if not observed.wrong:
        observed.text += ": refused" if refused else ": none came through"
    return observed


def _is_named(name: str, wrong: list[str]) -> bool:
    return any(f"{name}: " in said or f"{name} is" in said for said in wrong)


async def hop_by_hop(context: Context) -> Observation:
    """Name the proxy's own fields in Connection, so that a careless one strips them (CVE-2022-31813)."""
    probe = context.new_id("hop-by-hop")
    head = [f"GET {context.at('/')} HTTP/1.1".encode(), b"host: " + context.edge.authority.encode(), b"connection: " + HOP_BY_HOP]
    head += [f"{name}: {value}".encode() for name, value in asking(probe)]
    raw = await send_raw(context.edge.from_address(CLIENT), b"\r\n".join([*head, b"", b""]))
    found = await context.seen(probe, seconds=1.0)
    if not found:
        return Observation(f"refused: {raw.outcome}", {"status": raw.statuses})
    observed = Observation(f"for {found[0].value('x-forwarded-for') or 'missing'}", about_client(found[0]))
    observed.wrong += wrong_about_client(context, found[0], CLIENT)
    return observed


async def scheme_pseudo_field(context: Context) -> Observation:
    """Lie in :scheme, which a client chooses freely (RFC 9113, section 8.3.1)."""
    observed, facts = Observation("", {}), {}
    async with connect_http2(context.edge) as client:
        for scheme in ("http" if context.edge.tls else "https", "gopher"):
            probe = context.new_id("scheme")
            head = [(":method", "GET"), (":scheme", scheme), (":authority", context.edge.authority), (":path", context.at("/"))]
            response = await (await client.open_raw([*head, *asking(probe)], end=True)).response()
            found = await context.origin.seen(probe)
            facts[scheme] = found[0].scheme if found else response.outcome
            if found:
                observed.expect(found[0].scheme != "gopher", "gopher reached the origin")
                proto = found[0].value("x-forwarded-proto")
                if "proto" in context.subject.forwarded:
                    observed.expect(proto == context.edge.scheme, f":scheme {scheme} became x-forwarded-proto: {proto}")
            if client.ended:
                break
    observed.facts = facts
    observed.text = ", ".join(f"{sent} became {seen}" for sent, seen in facts.items())
    return observed


async def past_proxy(context: Context) -> Observation:
    """Speak to the app server itself, from an address that is no proxy's."""
    server = Address(context.subject.origins[0])
    direct = Edge("past.test", server.host_and_port[1], tls=False, connect_to=server.host_and_port[0], source=STRANGER)
    seen = (await context.ask(HOPS[context.subject.hop], edge=direct, fields=FORGED_PAST)).seen()
    observed = Observation(f"from {STRANGER}: client {seen.client}, scheme {seen.scheme}",
                           {"client": seen.client, "scheme": seen.scheme})  # fmt: skip
    return observed.expect((seen.client, seen.scheme) == (STRANGER, "http"), f"{seen.server} believes a stranger")


async def proxy_header(context: Context) -> Observation:
    """Ask from two addresses; each request must carry its own client's in the connection's PROXY header."""
    observed, facts = Observation("", {}), {}
    for address in (CLIENT, "127.0.0.3"):
        seen = (await context.ask(context.protocols[-1], edge=context.edge.from_address(address))).seen()
        said = seen.proxy or {}
        facts[address] = said
        observed.expect(said.get("source") == address, f"the header says {said.get('source', 'nothing')} for {address}")
        version = context.subject.proxy_protocol
        observed.expect(said.get("version") == version, f"version {said.get('version')} instead of {version}")
        observed.expect(seen.client in ("", address), f"{seen.server} calls the client {seen.client}")
    observed.facts, observed.text = facts, ", ".join(f"{key}: {said.get('source')}" for key, said in facts.items())
    return observed


NEEDS = frozenset({Feature.ORIGIN, Feature.FORWARDED})
PROBES = (
    Probe("client-address", "client address and scheme are right",
          "the fields about the client name its address and the edge's scheme", NEEDS, address_and_scheme),
    Probe("spoofing", "forged forwarding fields from outside are not believed",
          "no field by which a proxy speaks for a client comes through from outside", NEEDS, spoofing),
    Probe("spoofing-underscore", "nor under names with '_'",
          "names that become a trusted one in CGI's form are dropped or refused", NEEDS, underscores),
    Probe("hop-by-hop", "the proxy's own fields cannot be stripped by Connection",
          "fields named in Connection are still set by the proxy", NEEDS | {Feature.HTTP1}, hop_by_hop),
    Probe("scheme", ":scheme is not believed", "what the client writes into :scheme changes nothing",
          NEEDS | {Feature.HTTP2}, scheme_pseudo_field),
    Probe("past-proxy", "forged forwarding fields past the proxy are not believed",
          "the app server calls a peer that is not the proxy by its own address",
          NEEDS | {Feature.APP_SERVER, Feature.TCP_HOP}, past_proxy),
    Probe("proxy-header", "PROXY header to the upstream", "each request's connection names that request's client",
          frozenset({Feature.ORIGIN, Feature.PROXY_PROTOCOL}), proxy_header),
)  # fmt: skip
