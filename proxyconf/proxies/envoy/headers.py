"""Header fields: what clients say of themselves is erased, what Envoy knows is said; fields of responses."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.proxies.envoy.tree import OVERWRITE, Tree, escaped, header, http_filter
from proxyconf.spec.deployment import Deployment, ResolvedListener, ResolvedRoute, ResolvedSite, ServeFiles
from proxyconf.spec.routes import RedirectTo

__all__ = ["CLIENT", "of_requests", "of_responses", "of_site", "sanitizing"]

CLIENT = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
_KEPT = (("x-lasthop-proto", "%REQ(X-FORWARDED-PROTO)%"), ("x-lasthop-host", "%REQ(X-FORWARDED-HOST?:AUTHORITY)%"))
# `x-envoy-*` are orders to Envoy itself: timeouts, retries.
_ERASED_PREFIXES = ("x-forwarded-", "x-envoy-")
_ERASED = ("forwarded", "x-real-ip")
_IMMUTABLE = "public, max-age=31536000, immutable"


def sanitizing(deployment: Deployment, listener: ResolvedListener, *, trusted: bool) -> Tree:
    """Return the filter that erases and says; before any other, so that nobody decides by a client's own words."""
    scheme, host = (f"%REQ({name.upper()})%" for name, _ in _KEPT) if trusted else (listener.scheme, "%REQ(:AUTHORITY)%")
    names = {
        "for": ("x-forwarded-for", CLIENT), "proto": ("x-forwarded-proto", scheme), "host": ("x-forwarded-host", host),
        "port": ("x-forwarded-port", str(listener.public_port)), "real-ip": ("x-real-ip", CLIENT),
    }  # fmt: skip
    forwarded = deployment.trust.forwarded
    by_forwarded = forwarded.dialect == "rfc7239"
    said = [names[key] for key in forwarded.fields if key in names and not (by_forwarded and key in ("for", "proto", "host"))]
    if by_forwarded:
        # With the port, since only so an IPv6 address has its brackets (RFC 7239, section 6).
        said.append(("forwarded", f'for="%DOWNSTREAM_REMOTE_ADDRESS%";proto={scheme};host="{host}"'))
    mutations: list[Tree] = []
    if trusted:
        # What is believed is carried around the erasing under another name, which no client can use.
        mutations += [{"remove": name} for name, _ in _KEPT]
        mutations += [{"append": {**header(name, value), "append_action": OVERWRITE}} for name, value in _KEPT]
    mutations += [{"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in _ERASED_PREFIXES]
    mutations += [{"remove": name} for name in _ERASED]
    mutations += [{"append": header(name, value)} for name, value in said]
    if trusted:
        mutations += [{"remove": name} for name, _ in _KEPT]
    return http_filter("header_mutation", "HeaderMutation", mutations={"request_mutations": mutations})


def of_requests(route: ResolvedRoute, prefix: str) -> tuple[list[Tree], list[str]]:
    """Return the fields that a route adds to requests and those that it removes."""
    policy = route.policies.headers.request
    added = [header("x-forwarded-prefix", escaped(prefix))] if prefix else []
    added += [header(name, escaped(value)) for name, value in policy.set.items()]
    return added, [name.lower() for name in policy.remove]


def of_site(site: ResolvedSite) -> Iterator[Tree]:
    """Yield the fields of all responses of a site."""
    hsts = site.hsts
    secured = [listener for listener in site.listeners if listener.tls]
    if hsts is not None and secured:
        words = [f"max-age={int(hsts.max_age.seconds)}"]
        words += ["includeSubDomains"] if hsts.include_subdomains else []
        words += ["preload"] if hsts.preload else []
        yield header("strict-transport-security", "; ".join(words))


def of_responses(route: ResolvedRoute) -> tuple[list[Tree], list[str]]:
    """Return the fields that a route adds to responses and those that it removes."""
    policy = route.policies.headers.response
    added = [header(name, escaped(value)) for name, value in policy.set.items()]
    added += [header(name, escaped(value), "ADD_IF_ABSENT") for name, value in policy.default.items()]
    action, down = route.action, route.policies.maintenance
    if route.policies.cors is not None:
        added.append(header("vary", "origin", "APPEND_IF_EXISTS_OR_ADD"))
    if down is not None and not down.exempt:
        if down.retry_after is not None:
            added.append(header("retry-after", str(int(down.retry_after.seconds))))
    elif isinstance(action, ServeFiles):
        files = action.files
        if files.cache_control:
            added.append(header("cache-control", escaped(_IMMUTABLE if files.cache_control == "immutable" else files.cache_control)))
        if files.attachment:
            added += [header("content-disposition", "attachment"), header("x-content-type-options", "nosniff")]
    elif isinstance(action, RedirectTo) and not action.keep_rest:
        added.append(header("location", escaped(action.to)))
    return added, [name.lower() for name in policy.remove]
