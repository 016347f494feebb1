"""Backends: one for each way of treating requests; routes that are treated alike share one, and its connections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from proxyconf.facts.gate import Gate
from proxyconf.proxies.haproxy import policies as policy
from proxyconf.proxies.haproxy.plan import Backend, Words
from proxyconf.proxies.haproxy.servers import balance, checks, refused_is_seen, servers, timeouts
from proxyconf.proxies.haproxy.words import line, lines_of, time
from proxyconf.spec.deployment import Deployment, Forward, ResolvedRoute, ResolvedSite, ResolvedUpstream
from proxyconf.spec.routes import PathMatch, RedirectTo, Respond
from proxyconf.spec.units import Duration
from proxyconf.syntax.haproxy import body, formatted, pattern
from proxyconf.syntax.words import Raw

__all__ = ["NAMELESS", "Backends", "Pair"]

NAMELESS = Raw("")
_NOT_FOUND = (line("deny deny_status 404"),)


@dataclass(frozen=True, slots=True)
class Pair:
    """The backend of a route, and the one for request bodies whose length nobody announced; empty: the same."""

    measured: Raw
    unmeasured: Raw = NAMELESS


class Backends:
    """Makes backends and keeps each once."""

    def __init__(self, deployment: Deployment, bufsize: int, gate: Gate) -> None:
        self._deployment, self._bufsize, self._gate = deployment, bufsize, gate
        self._names: dict[tuple[Backend, str], Raw] = {}
        self._checking: dict[str, Raw] = {}
        self.made: list[Backend] = []
        self.counts_bodies = False

    def not_found(self) -> Raw:
        """Return the backend for paths of no route."""
        return self._add("not-found", Backend(NAMELESS, rules=_NOT_FOUND))

    def of(self, site: ResolvedSite, route: ResolvedRoute) -> Pair:
        """Return the names of the backends for a route."""
        backend, action = self._treatment(site, route), route.action
        if policy.is_down(route.policies):
            return Pair(self._add("down", backend))
        if isinstance(action, Forward):
            told = bool(self._deployment.trust.trusted_proxies)
            rewritten = _rewrite(action, route.match.path, self._tells(action))
            rules = (*backend.rules, *rewritten, *_pinned(action.upstream, self._schemes(), told))
            return self._forward(site, route, action.upstream, replace(backend, rules=rules))
        if isinstance(action, RedirectTo):
            rules = (*backend.rules, *_redirect(action, route.match.path))
            return Pair(self._add(f"redirect-{_slug(route.match.path.value)}", replace(backend, rules=rules)))
        assert isinstance(action, Respond), "the table refuses the others"
        rules = (*backend.rules, _respond(action))
        return Pair(self._add(f"answer-{_slug(route.match.path.value)}", replace(backend, rules=rules)))

    def _schemes(self) -> set[str]:
        """Return the schemes of the listeners that pass requests on."""
        told = bool(self._deployment.trust.trusted_proxies)
        return {one.scheme for one in self._deployment.listeners if told or one.redirect_port is None}

    def _treatment(self, site: ResolvedSite, route: ResolvedRoute) -> Backend:
        policies = route.policies
        extra = f"{self._deployment.raw('haproxy', 'backend')}\n{self._deployment.raw_of_site('haproxy', site)}".strip("\n")
        forwards = isinstance(route.action, Forward) and not policy.is_down(route.policies)
        return Backend(
            NAMELESS,
            options=(*policy.counters(policies, self._gate), *(policy.options(policies, self._gate) if forwards else ())),
            acls=tuple(policy.acls(policies)),
            rules=(
                *policy.admission(policies, self._gate),
                *(policy.passed_on(route, self._bufsize) if forwards else ()),
            ),
            responses=tuple(policy.responses(policies)) if forwards else (),
            answers=tuple(policy.answers(site, policies, bool(self._deployment.trust.trusted_proxies))),
            extra=lines_of(extra),
        )

    def _tells(self, action: Forward) -> bool:
        return action.tell_prefix or "prefix" in self._deployment.trust.forwarded.fields

    def _forward(self, site: ResolvedSite, route: ResolvedRoute, upstream: ResolvedUpstream, backend: Backend) -> Pair:
        body_time: Duration = route.policies.timeouts.stream_idle
        options = (*balance(upstream.options, self._gate), *timeouts(route.policies.timeouts, self._gate), *backend.options)
        responses = backend.responses
        if self._gate.can("response_head_timeout") and body_time != route.policies.timeouts.response_head:
            responses = (*responses, line("set-timeout server", time(body_time)))
        rules = backend.rules
        if not refused_is_seen(upstream.options, self._gate):
            rules = (*rules, line("disable-l7-retry unless { method GET HEAD OPTIONS }"))
        backend = replace(backend, options=options, rules=rules, responses=responses)
        measured = self._add(upstream.name, backend, upstream, site)
        longest = route.policies.limits.request_body
        if longest.is_unlimited:
            return Pair(measured)
        self.counts_bodies = True
        counted = line(f"set-var(txn.longest_body) int({longest.bytes}) unless {{ req.hdr(upgrade) -m found }}")
        backend = replace(backend, options=(*options, line("filter lua.body-limit")), rules=(counted, *rules))
        return Pair(measured, self._add(f"{measured}-unmeasured", backend, upstream, site))

    def _add(
        self, stem: str, backend: Backend, upstream: ResolvedUpstream | None = None, site: ResolvedSite | None = None
    ) -> Raw:
        key = (backend, upstream.name if upstream else "")
        if key in self._names:
            return self._names[key]
        taken = set(self._names.values())
        name = next(Raw(found) for at in range(1, 1_000_000) if (found := f"{stem}-{at}" if at > 1 else stem) not in taken)
        self._names[key] = name
        backend = replace(backend, name=name)
        self.made.append(self._reaching(backend, upstream, site) if upstream and site else backend)
        return name

    def _reaching(self, backend: Backend, upstream: ResolvedUpstream, site: ResolvedSite) -> Backend:
        """Return a backend with its servers; only one of those with the same servers asks how they are."""
        options = upstream.options
        shares = options.health_check is not None and options.outlier_detection is None
        tracked = self._checking.get(upstream.name, NAMELESS) if shares else NAMELESS
        if shares:
            self._checking.setdefault(upstream.name, backend.name)
        asked: tuple[Words, ...] = () if tracked else tuple(checks(upstream, _host(site)))
        return replace(backend, options=(*backend.options, *asked), servers=servers(upstream, tracked))


def _host(site: ResolvedSite) -> str:
    """Return the name that a health check asks for."""
    return site.canonical or next((name.removeprefix("*.") for name in site.hostnames), "localhost")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:40] or "root"


def _rewrite(action: Forward, path: PathMatch, tells: bool) -> Iterator[Words]:
    """Yield what puts a new prefix in the place of the route's path."""
    if action.replace_prefix is None:
        return
    old, new = path.value.removesuffix("/"), action.replace_prefix.removesuffix("/")
    if tells and old:
        yield line("set-header X-Forwarded-Prefix", formatted(old))
    if path.value.endswith("/") or not new:
        yield line("replace-path", f"^{pattern(old)}/?(.*)$", formatted(f"{new}/", Raw(r"\1")))
    else:
        yield line("replace-path", f"^{pattern(old)}(/.*)?$", formatted(new, Raw(r"\1")))


def _pinned(upstream: ResolvedUpstream, schemes: set[str], told: bool) -> Iterator[Words]:
    """Yield what keeps a client from choosing the `:scheme` that the app server sees; `told`: a proxy in front may."""
    if not upstream.options.is_http2:
        return
    if told:
        yield line("set-uri %[var(txn.proto)]://%[req.hdr(host)]%[pathq]")
    elif schemes == {"http"}:
        # Without a scheme of its own a request goes on as https.
        yield line("set-uri http://%[req.hdr(host)]%[pathq]")
    elif schemes == {"https"}:
        yield line("set-uri https://%[req.hdr(host)]%[pathq] unless { url -m beg / https:// }")
    else:
        yield line("set-uri %[ssl_fc,iif(https,http)]://%[req.hdr(host)]%[pathq] unless { ssl_fc } { url -m beg / https:// }")


def _redirect(action: RedirectTo, path: PathMatch) -> Iterator[Words]:
    if not action.keep_rest:
        yield line("redirect location", formatted(action.to), Raw(f"code {action.status}"))
        return
    stem = path.value.removesuffix("/") if path.type == "prefix" else ""
    if stem:
        # All slashes at the seam become one: "//evil.example" would be another host.
        yield line("replace-path", f"^{pattern(stem)}/*(.*)$", Raw(r"/\1"))
    yield line("redirect prefix", formatted(action.to.removesuffix("/") or "/"), Raw(f"code {action.status}"))


def _respond(action: Respond) -> Words:
    text, kind = action.text
    if not text:
        return line(f"return status {action.status}")
    return line(f"return status {action.status} content-type", kind, Raw("string"), body(text))
