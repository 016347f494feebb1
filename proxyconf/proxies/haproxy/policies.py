"""How a backend treats requests and answers: what a site or route says, in the order in which HAProxy is to do it."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import splitext

from proxyconf.facts.gate import Gate
from proxyconf.proxies.haproxy.plan import Words
from proxyconf.proxies.haproxy.words import acl, line
from proxyconf.spec.deployment import Forward, ResolvedRoute, ResolvedSite
from proxyconf.spec.policies import Cors, Maintenance, Policies, RateLimit
from proxyconf.spec.sites import Hsts
from proxyconf.syntax.haproxy import formatted
from proxyconf.syntax.words import Raw

__all__ = ["MIN_LENGTH_SINCE", "acls", "admission", "answers", "counters", "is_down", "options", "passed_on", "responses"]

MIN_LENGTH_SINCE = "3.2.0"
_TYPES = {".json": "application/json", ".txt": "text/plain; charset=utf-8"}


def acls(policies: Policies) -> Iterator[Words]:
    """Yield the named conditions that the rules use."""
    if policies.allow:
        yield from acl("allowed", "src", policies.allow)
    if policies.maintenance is not None and policies.maintenance.exempt:
        yield from acl("exempt", "src", policies.maintenance.exempt)
    if policies.cors is not None and "*" not in policies.cors.origins:
        yield from acl("cors_origin", "req.hdr(origin) -m str", policies.cors.origins)


def counters(policies: Policies, gate: Gate) -> Iterator[Words]:
    """Yield the table of a rate limit."""
    if policies.rate_limit is not None and gate.can("rate_limit"):
        seconds = _window(policies.rate_limit)
        yield line(f"stick-table type ipv6 size 100k expire {seconds}s store gpc0_rate({seconds}s)")


def options(policies: Policies, gate: Gate) -> Iterator[Words]:
    """Yield the options of a backend with servers: compression and error pages."""
    compression = policies.compression
    if compression is not None and "gzip" in compression.encodings:
        yield line("filter compression")
        yield line("compression algo gzip")
        # HAProxy compares beginnings.
        yield line("compression type", *(kind.removesuffix("*") for kind in compression.types))
        if gate.version >= type(gate.version).parse(MIN_LENGTH_SINCE):
            yield line(f"compression minsize-res {compression.min_length.bytes}")
    if policies.errors is not None and policies.errors.source == "proxy" and gate.can("error_pages"):
        for page in policies.errors.pages:
            for status in page.statuses:
                yield line(f"http-error status {status} content-type", _type(page.file), Raw("file"), page.file)


def admission(policies: Policies, gate: Gate) -> Iterator[Words]:
    """Yield what keeps requests away, whatever would answer them."""
    if policies.log == "off" and gate.can("log_off"):
        yield line("set-log-level silent")
    if policies.allow:
        yield line("deny deny_status 403 unless allowed")
    if policies.maintenance is not None:
        yield _maintenance(policies.maintenance)
        if is_down(policies):
            return
    if policies.rate_limit is not None and gate.can("rate_limit"):
        yield from _rate(policies.rate_limit)
    if policies.cors is not None:
        yield from _preflight(policies.cors)


def is_down(policies: Policies) -> bool:
    """Whether a site is down for everybody: nothing that follows is ever reached."""
    return policies.maintenance is not None and not policies.maintenance.exempt


def passed_on(route: ResolvedRoute, bufsize: int) -> Iterator[Words]:
    """Yield what bounds the requests that go to a server, and what is done with their fields."""
    policies = route.policies
    yield from _limits(policies, bufsize)
    if isinstance(route.action, Forward) and not route.action.may_be_websocket:
        yield line("deny deny_status 403 if { req.hdr(upgrade) -m found }")
    request = policies.headers.request
    for name in request.remove:
        yield line(f"del-header {name}")
    for name, value in request.set.items():
        yield line(f"set-header {name}", formatted(value))


def _maintenance(down: Maintenance) -> Words:
    page = (Raw("content-type"), _type(down.file), Raw("file"), down.file) if down.file else ()
    later = f"hdr Retry-After {int(down.retry_after.seconds)} " if down.retry_after else ""
    end = f"{later}{'unless exempt' if down.exempt else ''}".strip()
    return line("return status 503", *page, *((Raw(end),) if end else ()))


def _window(limit: RateLimit) -> int:
    """Return the seconds in which `rate` and `burst` together are one burst and the average is the rate."""
    return max(1, round((limit.rate.requests + limit.burst) / limit.rate.requests * limit.rate.seconds))


def _rate(limit: RateLimit) -> Iterator[Words]:
    """Yield what counts the requests that are let through, each client's."""
    at_once = limit.rate.requests + limit.burst
    yield line("track-sc0 src")
    yield line(f"return status {limit.status} if {{ sc_gpc0_rate(0) ge {at_once} }}")
    yield line("sc-inc-gpc0(0)")


def _limits(policies: Policies, bufsize: int) -> Iterator[Words]:
    body, head = policies.limits.request_body, policies.limits.request_headers
    if head.bytes < bufsize:
        yield line(f"return status 431 if {{ req.hdrs,length gt {head.bytes} }}")
    if not body.is_unlimited:
        # body_size alone lets one in ten pass whose length the head announces, 2.6.12 and 3.2.26 alike.
        # A body that is here as a whole is measured by it, and most requests have none: no search for them.
        announced = f"!{{ internal.htx.has_eom }} {{ req.hdr_val(content-length) gt {body.bytes} }}"
        yield line(f"deny deny_status 413 if {{ req.body_size gt {body.bytes} }} or {announced}")


def _preflight(cors: Cors) -> Iterator[Words]:
    known = "{ req.hdr(origin) -m found }" if "*" in cors.origins else "cors_origin"
    if "*" not in cors.origins:
        yield line("set-var(txn.cors) req.hdr(origin) if cors_origin")
    fields: list[tuple[str, str]] = [("Access-Control-Allow-Methods", ", ".join(cors.methods))]
    if cors.headers:
        fields.append(("Access-Control-Allow-Headers", ", ".join(cors.headers)))
    fields.append(("Access-Control-Max-Age", str(int(cors.max_age.seconds))))
    words = [word for name, value in fields for word in (Raw(f"hdr {name}"), formatted(value))]
    yield line("return status 204", *words, Raw(f"if METH_OPTIONS {known} {{ req.hdr(access-control-request-method) -m found }}"))


def responses(policies: Policies) -> Iterator[Words]:
    """Yield what is done with what a server answered."""
    if policies.errors is not None and policies.errors.source == "any":
        for page in policies.errors.pages:
            for status in page.statuses:
                page_of = (_type(page.file), Raw("file"), page.file)
                yield line(f"return status {status} content-type", *page_of, Raw(f"if {{ status {status} }}"))


def answers(site: ResolvedSite, policies: Policies, told: bool) -> Iterator[Words]:
    """Yield what is done with the fields of whatever is answered, HAProxy's own answers included.

    `told`: a proxy in front may say which scheme the client used.
    """
    response = policies.headers.response
    for name in response.remove:
        yield line(f"del-header {name}")
    for name, value in response.set.items():
        yield line(f"set-header {name}", formatted(value))
    for name, value in response.default.items():
        yield line(f"set-header {name}", formatted(value), Raw(f"unless {{ res.hdr({name}) -m found }}"))
    if site.hsts is not None and any(listener.tls for listener in site.listeners):
        mixed = not all(listener.tls for listener in site.listeners)
        yield line("set-header Strict-Transport-Security", formatted(_hsts(site.hsts)), *_only_if_tls(mixed, told))
    if policies.cors is not None:
        yield from _allow_origin(policies.cors)


def _only_if_tls(mixed: bool, told: bool) -> Words:
    return (Raw("if { var(txn.proto) -m str https }" if told else "if { ssl_fc }"),) if mixed else ()


def _hsts(hsts: Hsts) -> str:
    words = [f"max-age={int(hsts.max_age.seconds)}"]
    words += ["includeSubDomains"] if hsts.include_subdomains else []
    words += ["preload"] if hsts.preload else []
    return "; ".join(words)


def _allow_origin(cors: Cors) -> Iterator[Words]:
    if "*" in cors.origins:
        yield line("set-header Access-Control-Allow-Origin *")
        known = ""
    else:
        known = " if { var(txn.cors) -m found }"
        yield line(f"set-header Access-Control-Allow-Origin %[var(txn.cors)]{known}")
        yield line("add-header Vary Origin")
    if cors.expose:
        yield line("set-header Access-Control-Expose-Headers", formatted(", ".join(cors.expose)), *((Raw(known.strip()),) if known else ()))
    if cors.credentials:
        yield line(f"set-header Access-Control-Allow-Credentials true{known}")


def _type(file: str) -> str:
    return _TYPES.get(splitext(file)[1], "text/html; charset=utf-8")
