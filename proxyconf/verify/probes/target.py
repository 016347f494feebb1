"""What is asked for: host, path, prefix, the redirect to https."""

from __future__ import annotations

from proxyconf.verify.edge.http1 import connect_http1
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

TARGET = "/caf%C3%A9/a%20b/~x?q=%2F&r=a+b&s=%25&empty="
STRANGER = "stranger.invalid"


async def host(context: Context) -> Observation:
    """Look at the authority the origin is asked for."""
    seen = {name: (await context.ask(name)).seen() for name in context.protocols}
    hosts = {name: entry.host for name, entry in seen.items()}
    observed = Observation(", ".join(f"{value} for {name}" for name, value in hosts.items()), hosts)
    right = {context.edge.authority, context.edge.hostname}
    observed.expect(set(hosts.values()) <= right, f"{context.edge.authority} was asked for")
    for name, entry in seen.items():
        both = entry.authority and entry.value("host")
        if both:
            observed.expect(entry.authority == entry.value("host"), f"{name}: Host says {entry.value('host')}")
    return observed


async def unknown_host(context: Context) -> Observation:
    """Ask for a name that is not the site's: by SNI and Host, and by Host behind the right SNI."""
    probe, facts, edge = context.new_id("stranger"), {}, context.edge
    async with connect_http1(edge) as client:
        client.authority = STRANGER
        facts["h1"] = (await client.request("GET", context.at("/"), asking(probe))).outcome
    if Feature.HTTP2 in context.subject.features:
        async with connect_http2(edge) as client2:
            head = [(":method", "GET"), (":scheme", edge.scheme), (":authority", STRANGER), (":path", context.at("/"))]
            facts["h2"] = (await (await client2.open_raw([*head, *asking(probe)], end=True)).response()).outcome
    reached = len(await context.origin.seen(probe))
    observed = Observation(", ".join(f"{value} over {name}" for name, value in facts.items()), facts)
    return observed.expect(not reached, f"{reached} of the requests reached the origin")


async def path_bytes(context: Context) -> Observation:
    """Send a target whose every escape matters."""
    sent = context.at(TARGET)
    targets = {name: (await context.ask(name, path=TARGET)).seen().target for name in context.protocols}
    observed = Observation(sent if set(targets.values()) == {sent} else str(targets), targets)
    return observed.expect(set(targets.values()) == {sent}, f"{sent} was sent")


async def prefix(context: Context) -> Observation:
    """Ask below a prefix that the proxy replaces."""
    prefix = context.subject.prefix
    assert prefix is not None
    async with connect_http1(context.edge) as client:
        path = f"{prefix.path.rstrip('/')}/a%20b?c=d"
        seen = (await client.request("GET", path, asking(context.new_id("prefix")))).seen()
    wanted, announced = f"{prefix.replaced.rstrip('/')}/a%20b?c=d", seen.value("x-forwarded-prefix")
    observed = Observation(f"{seen.target}, X-Forwarded-Prefix {announced or 'absent'}",
                           {"target": seen.target, "x-forwarded-prefix": announced})  # fmt: skip
    observed.expect(seen.target == wanted, f"{wanted} was due")
    due = prefix.path.rstrip("/") if prefix.announced else ""
    return observed.expect(announced.rstrip("/") == due, f"X-Forwarded-Prefix {due or 'absent'} was due")


async def redirect(context: Context) -> Observation:
    """Ask the cleartext listener."""
    edge = context.subject.redirect
    assert edge is not None
    async with connect_http1(edge) as client:
        response = await client.request("GET", "/a?b=c")
    location = response.value("location") or ""
    observed = Observation(f"{response.status} {location}", {"status": response.status, "location": location})
    observed.expect(response.status in (301, 302, 307, 308), "no redirect")
    return observed.expect(location == f"{context.edge.url}/a?b=c", f"{context.edge.url}/a?b=c was due")


PROBES = (
    Probe("host", "Host and :authority", "the origin is asked for the authority the client named, once",
          frozenset({Feature.ORIGIN}), host),
    Probe("unknown-host", "a name that is not the site's", "it does not reach the site's origin",
          frozenset({Feature.ORIGIN, Feature.HTTP1, Feature.UNKNOWN_HOST}), unknown_host),
    Probe("path", "path and query", "every byte of path and query arrives as sent",
          frozenset({Feature.ORIGIN}), path_bytes),
    Probe("prefix", "a replaced prefix", "the origin sees the path with the prefix replaced, announced if so promised",
          frozenset({Feature.ORIGIN, Feature.HTTP1, Feature.PREFIX}), prefix),
    Probe("redirect", "http to https", "the cleartext listener redirects to the same path on https",
          frozenset({Feature.REDIRECT}), redirect),
)  # fmt: skip
