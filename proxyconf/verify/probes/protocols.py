"""Which protocol is spoken at the edge and on the hop, and on how many connections."""

from __future__ import annotations

import asyncio
import contextlib

from proxyconf.verify.answer import Answer
from proxyconf.verify.edge.curl import http_version_by_curl
from proxyconf.verify.edge.http1 import connect_http1
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

PARALLEL = 100
ATTEMPTS = 40  # a proxy may hold several connections from before


async def edge_http2(context: Context) -> Observation:
    """Offer h2 and look at what was chosen."""
    async with connect_http2(context.edge) as client:
        response = await client.request("GET", context.at("/"))
        tls = client.link.tls
    version = tls.version() if tls else None
    curl = await http_version_by_curl(context.edge, context.at("/"))
    facts = {"alpn": client.link.alpn, "tls": version, "status": response.status, "curl": curl}
    told = f"; curl: HTTP/{curl}" if curl else ""
    observed = Observation(f"ALPN {client.link.alpn}, {response.outcome} in {version}{told}", facts)
    observed.expect(curl in ("2", None), f"curl agreed on HTTP/{curl}")
    observed.expect(bool(response.status), "no answer over HTTP/2")
    return observed.expect(version in ("TLSv1.2", "TLSv1.3"), f"{version} is too old")


async def edge_http1(context: Context) -> Observation:
    """Offer HTTP/1.1 only; two requests on one connection."""
    async with connect_http1(context.edge) as client:
        statuses = [(await client.request("GET", context.at("/"))).status for _ in range(2)]
    observed = Observation(f"{statuses[0]}, {statuses[1]} on one connection", {"statuses": statuses})
    return observed.expect(all(statuses), "no answer over HTTP/1.1")


async def hop_protocol(context: Context) -> Observation:
    """Ask in each protocol the edge speaks; look at what the origin was asked in."""
    hop = {name: (await context.ask(name)).seen().protocol for name in context.protocols}
    text = ", ".join(f"{seen} for {name}" for name, seen in hop.items())
    observed = Observation(text, hop)
    return observed.expect(set(hop.values()) == {context.subject.hop}, f"{context.subject.hop} was promised")


async def hop_tls(context: Context) -> Observation:
    """Let the origin show a certificate that nobody vouches for; then its own again."""
    protocol = context.protocols[-1]
    tls = (await context.ask(protocol)).seen().tls or {}
    observed = Observation(f"{tls.get('version', 'cleartext')}, ALPN {tls.get('alpn')}", {"tls": tls})
    observed.expect(tls.get("version") in ("TLSv1.2", "TLSv1.3"), "the origin was not asked over TLS")
    await context.origin.show_untrusted(True)
    # Each answer ends its connection, so that the next one needs a new handshake.
    closing, statuses = Answer(close=True), list[int]()
    while len(statuses) < ATTEMPTS and (not statuses or statuses[-1] == 200):
        statuses.append((await context.ask(protocol, closing)).status)
    await context.origin.show_untrusted(False)
    again = await context.until(lambda: context.ask(protocol), lambda response: response.status == 200, 20)
    observed.text += f"; untrusted: {statuses[-1]}, then again: {again.outcome}"
    observed.expect(statuses[-1] in context.subject.untrusted_statuses, "an untrusted certificate was accepted")
    return observed.expect(again.status == 200, "the origin's own certificate is refused")


async def parallel(context: Context) -> Observation:
    """Hold many requests of several clients in the origin at once and count their connections."""
    gate = context.new_id("parallel")
    count = PARALLEL // context.subject.client_streams
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect_http2(context.edge)) for _ in range(count)]
        sent = asking(gate, Answer(hold=gate))
        tasks = [asyncio.create_task(clients[i % count].request("GET", context.at("/"), sent)) for i in range(PARALLEL)]
        waiting = await context.until(lambda: context.origin.waiting(gate), lambda now: len(now) >= PARALLEL, 10)
        connections = len(set(waiting) - {0}) or sum((await context.origin.open_connections()).values())
        await context.origin.release(gate, PARALLEL)
        responses = await asyncio.gather(*tasks)
    served = sum(response.status == 200 for response in responses)
    text = f"{len(waiting)} at once from {count} clients, on {connections} connection(s); {served} answered"
    observed = Observation(text, {"at_once": len(waiting), "connections": connections, "answered": served})
    observed.expect(len(waiting) == PARALLEL, f"{PARALLEL} requests were never at the origin at once")
    observed.expect(served == PARALLEL, "not all were answered with 200")
    if Feature.MULTIPLEXING in context.subject.features:
        allowed = context.subject.hop_connections
        observed.expect(connections <= allowed, f"more than {allowed} connections")
    return observed


PROBES = (
    Probe("edge-http2", "HTTP/2 at the edge", "the edge chooses h2 by ALPN and answers over it",
          frozenset({Feature.TLS, Feature.HTTP2}), edge_http2),
    Probe("edge-http1", "HTTP/1.1 at the edge", "a client that offers HTTP/1.1 only is served, the connection kept",
          frozenset({Feature.HTTP1}), edge_http1),
    Probe("hop-protocol", "the hop's protocol, as the origin sees it",
          "the origin is asked in the protocol the site names, whatever the client speaks",
          frozenset({Feature.ORIGIN}), hop_protocol),
    Probe("hop-tls", "TLS on the hop", "the origin is asked over TLS, and not at all where nobody vouches for its certificate",
          frozenset({Feature.ORIGIN, Feature.TLS_ORIGIN, Feature.HOP_TLS}), hop_tls, 60),
    Probe("hop-parallel", f"{PARALLEL} requests in parallel on few connections",
          f"{PARALLEL} requests of a few clients reach the origin at once; few connections where the hop multiplexes",
          frozenset({Feature.ORIGIN, Feature.HTTP2}), parallel),
)  # fmt: skip
