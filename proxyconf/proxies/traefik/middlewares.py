"""Middlewares: what is done with requests and answers on their way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from proxyconf.facts.gate import Gate
from proxyconf.proxies.traefik.plan import NOBODY, Tree
from proxyconf.spec.deployment import (
    Deployment,
    Forward,
    ResolvedListener,
    ResolvedRoute,
    ResolvedSite,
    ResolvedUpstream,
)
from proxyconf.spec.policies import Compression, Cors, Policies
from proxyconf.spec.routes import RedirectTo
from proxyconf.syntax.traefik import replacement

__all__ = ["TEXTS", "Chain", "Middlewares", "upgrade_to"]

# What proxies in front of apps are known to say; Traefik itself erases a part of them, and no others.
_ERASED = (
    "Forwarded", "X-Forwarded-By", "X-Forwarded-Access-Token", "X-Forwarded-Client-Cert", "X-Forwarded-Email", "X-Forwarded-Groups",
    "X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-Preferred-Username", "X-Forwarded-Prefix", "X-Forwarded-Protocol",
    "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Tls-Client-Cert", "X-Forwarded-Tls-Client-Cert-Info",
    "X-Forwarded-Uri", "X-Forwarded-User", "X-Replaced-Path",
)  # fmt: skip
_SAID = {"for": "X-Forwarded-For", "proto": "X-Forwarded-Proto", "host": "X-Forwarded-Host", "real-ip": "X-Real-Ip"}
TEXTS = ("text/css", "text/csv", "text/html", "text/javascript", "text/markdown", "text/plain", "text/xml")
"""What `text/*` stands for: Traefik compares whole content types."""
_NOT_FOUND, _TOO_LARGE, _MISDIRECTED, _DOWN = 404, 413, 421, 503
Chain = list[str]


@dataclass
class Middlewares:
    """The middlewares that some router names, each once."""

    deployment: Deployment
    gate: Gate
    made: dict[str, Tree] = field(default_factory=dict)
    _names: dict[str, dict[str, str]] = field(default_factory=dict)

    def use(self, stem: str, kind: str, options: Tree) -> str:
        """Return the name of a middleware that does this."""
        known = self._names.setdefault(stem, {})
        words = json.dumps([kind, options], sort_keys=True)
        if words not in known:
            known[words] = name = f"{stem}-{len(known) + 1}" if known else stem
            self.made[name] = {kind: options}
        return known[words]

    def at_the_edge(self, listener: ResolvedListener) -> None:
        """Make what every request of a listener passes first: a client's words about itself are erased."""
        fields = self.deployment.trust.forwarded.fields
        said: Tree = dict.fromkeys((*_ERASED, *(name for key, name in _SAID.items() if key not in fields)), "")
        said["X-Forwarded-Port"] = str(listener.public_port) if "port" in fields else ""
        self.made[f"edge-{listener.name}"] = {"headers": {"customRequestHeaders": dict(sorted(said.items()))}}

    def misdirected(self) -> Chain:
        """Answer 421."""
        return [self.use("misdirected", "ipAllowList", {"sourceRange": NOBODY, "rejectStatusCode": _MISDIRECTED})]

    def not_found(self, site: ResolvedSite, *, behind_tls: bool) -> Chain:
        """Answer 404 with what the whole site adds to answers."""
        policies = site.policies.model_copy(update={"maintenance": None})
        refused = self.use("not-found", "ipAllowList", {"sourceRange": NOBODY, "rejectStatusCode": _NOT_FOUND})
        return [*self.of_answers(site, policies, behind_tls=behind_tls), refused]

    def too_large(self) -> Chain:
        """Answer 413."""
        return [self.use("too-large", "ipAllowList", {"sourceRange": NOBODY, "rejectStatusCode": _TOO_LARGE})]

    def to_tls(self, port: int) -> Chain:
        """Lead to the same address over TLS."""
        options: Tree = {"scheme": "https", "permanent": True}
        return [self.use("to-https", "redirectScheme", options if port == 443 else {**options, "port": str(port)})]

    def to_canonical(self, origin: str) -> Chain:
        """Lead to the same path on another name."""
        options = {"regex": "^https?://[^/]+(.*)$", "replacement": f"{replacement(origin)}${{1}}", "permanent": True}
        return [self.use("to-canonical", "redirectRegex", options)]

    def of_answers(self, site: ResolvedSite, policies: Policies, *, behind_tls: bool) -> Chain:
        """Add fields to all answers, and answer preflights; before anything that may refuse."""
        policy, hsts = policies.headers.response, site.hsts
        said: Tree = {}
        fields = {**dict.fromkeys(policy.remove, ""), **policy.set}
        down = policies.maintenance
        if down is not None and down.retry_after is not None:
            fields["Retry-After"] = str(int(down.retry_after.seconds))
        if fields:
            said["customResponseHeaders"] = fields
        if hsts is not None and any(listener.tls for listener in site.listeners):
            said["stsSeconds"] = int(hsts.max_age.seconds)
            said.update({"stsIncludeSubdomains": True} if hsts.include_subdomains else {})
            said.update({"stsPreload": True} if hsts.preload else {})
            said.update({"forceSTSHeader": True} if behind_tls else {})
        if policies.cors is not None:
            said.update(_cors(policies.cors))
        return [self.use("answers", "headers", said)] if said else []

    def of_clients(self, route: ResolvedRoute, *, trusted: bool) -> Chain:
        """Let in whom the route is for."""
        policies, chain = route.policies, Chain()
        who: Tree = {"ipStrategy": {"excludedIPs": list(self.deployment.trusted_networks)}} if trusted else {}
        if policies.maintenance is not None:
            exempt = list(policies.maintenance.exempt)
            options = {"sourceRange": exempt or NOBODY, **(who if exempt else {}), "rejectStatusCode": _DOWN}
            chain.append(self.use("maintenance", "ipAllowList", options))
        if policies.allow:
            chain.append(self.use("allow", "ipAllowList", {"sourceRange": list(policies.allow), **who}))
        limit = policies.rate_limit
        if limit is not None and self.gate.can("rate_limit"):
            options = {"average": limit.rate.requests, "period": f"{limit.rate.seconds}s", "burst": limit.burst}
            chain.append(self.use("rate-limit", "rateLimit", {**options, **({"sourceCriterion": who} if who else {})}))
        return chain + list(self._auth(route))

    def _auth(self, route: ResolvedRoute) -> Iterator[str]:
        auth = route.policies.auth
        if auth is not None and auth.basic is not None:
            yield self.use("users", "basicAuth", {"usersFile": auth.basic.users_file, "realm": auth.basic.realm})
        if auth is not None and auth.forward is not None and route.auth_upstream is not None:
            asked = route.auth_upstream.options
            scheme = "https" if asked.is_tls else "http"
            options: Tree = {"address": f"{scheme}://{asked.servers[0].address}{auth.forward.path}"}
            if asked.tls is not None and asked.tls.ca is not None:
                options["tls"] = {"ca": asked.tls.ca}
            if auth.forward.copy_headers:
                options["authResponseHeaders"] = list(auth.forward.copy_headers)
            # The entry point has erased what nobody is to be believed.
            options.update({"trustForwardHeader": True} if self.deployment.trusted_networks else {})
            yield self.use("door", "forwardAuth", options)

    def of_bodies(self, route: ResolvedRoute) -> Chain:
        """Compress answers, hold bodies."""
        policies, chain = route.policies, Chain()
        if policies.compression is not None:
            encodings = [one for one in policies.compression.encodings if self.gate.can(f"compression_{one}")]
            if encodings:
                chain.append(self.use("compress", "compress", _compress(policies.compression, encodings)))
        if policies.buffering.request == "on" or policies.buffering.response == "on":
            bytes_at_most = policies.limits.request_body.bytes  # 0: no bound
            chain.append(self.use("hold", "buffering", {"maxRequestBodyBytes": bytes_at_most}))
        return chain

    def of_hop(self, route: ResolvedRoute, action: Forward, *, websocket: bool) -> Chain:
        """Change what arrives at the app, and try again what did not."""
        chain, policy = list(self._retry(action.upstream)), route.policies.headers.request
        fields: Tree = {**dict.fromkeys(policy.remove, ""), **policy.set, **upgrade_to("websocket" if websocket else "")}
        if action.replace_prefix is not None:
            # Compared as it reads, without percent signs.
            prefix, new = unquote(route.match.path.value.removesuffix("/")), action.replace_prefix.removesuffix("/")
            told = action.tell_prefix or "prefix" in self.deployment.trust.forwarded.fields
            if prefix:
                chain.append(self.use("without-prefix", "stripPrefix", {"prefixes": [prefix]}))
            if new:
                chain.append(self.use("with-prefix", "addPrefix", {"prefix": new}))
            fields.update({} if told else {"X-Forwarded-Prefix": ""})
        return [*chain, self.use("request", "headers", {"customRequestHeaders": fields})]

    def _retry(self, upstream: ResolvedUpstream) -> Iterator[str]:
        asked = upstream.options.retries
        if asked is not None or len(upstream.options.servers) > 1:
            # Only what could not be sent: Traefik stops as soon as a request's head is out.
            yield self.use("retry", "retry", {"attempts": 1 + (asked.attempts if asked else 1), "initialInterval": "10ms"})

    def redirect(self, route: ResolvedRoute, action: RedirectTo) -> Chain:
        """Lead to another address."""
        path, permanent = route.match.path.value, action.status in (301, 308)
        pattern, to = "^.*$", replacement(action.to)
        if action.keep_rest:
            pattern = rf"^https?://[^/]+{re.escape(path.removesuffix('/'))}/?([^?]*)(\?.*)?$"
            to = f"{to.removesuffix('/')}/${{1}}${{2}}"
        return [self.use("to", "redirectRegex", {"regex": pattern, "replacement": to, "permanent": permanent})]


def upgrade_to(protocol: str) -> Tree:
    """Name the one protocol that may be upgraded to; without one, older versions pass on `Upgrade: h2c`."""
    return {"Upgrade": protocol, "HTTP2-Settings": ""}


def _cors(cors: Cors) -> Tree:
    made: Tree = {"accessControlAllowOriginList": list(cors.origins), "accessControlAllowMethods": list(cors.methods)}
    if cors.headers:
        made["accessControlAllowHeaders"] = list(cors.headers)
    if cors.expose:
        made["accessControlExposeHeaders"] = list(cors.expose)
    if cors.credentials:
        made["accessControlAllowCredentials"] = True
    return {**made, "accessControlMaxAge": int(cors.max_age.seconds), "addVaryHeader": True}


def _compress(compression: Compression, encodings: Sequence[str]) -> Tree:
    types = [one for word in compression.types for one in (TEXTS if word == "text/*" else (word,))]
    return {
        "encodings": list(encodings),
        "minResponseBodyBytes": compression.min_length.bytes,
        "includedContentTypes": list(dict.fromkeys(types)),
    }
