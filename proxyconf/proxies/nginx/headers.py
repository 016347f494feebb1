"""`add_header`: fields of responses. A location that adds one inherits none, so each has them all."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.proxies.nginx.plan import Words
from proxyconf.proxies.nginx.variables import Variables
from proxyconf.spec.deployment import Deployment, ResolvedRoute, ResolvedSite, ServeFiles
from proxyconf.spec.policies import Cors
from proxyconf.syntax.words import Raw, raw

__all__ = ["Headers"]

_IMMUTABLE = "public, max-age=31536000, immutable"


class Headers:
    """The fields of one site's responses."""

    def __init__(self, deployment: Deployment, site: ResolvedSite, variables: Variables, gate: Gate) -> None:
        """Keep what they are made of."""
        self._deployment, self._site, self._variables, self._gate = deployment, site, variables, gate

    def of(self, route: ResolvedRoute, name: str) -> Iterator[Words]:
        """Yield the fields of a route's responses."""
        yield from self._of_site()
        response = route.policies.headers.response
        for field, value in response.set.items():
            yield Raw(field), value
        for field, value in response.default.items():
            yield Raw(field), self._variables.default_header(field, value)
        if route.policies.cors is not None:
            yield from self._cors(route.policies.cors, name)
        if isinstance(route.action, ServeFiles):
            files = route.action.files
            if files.cache_control:
                yield Raw("Cache-Control"), _IMMUTABLE if files.cache_control == "immutable" else files.cache_control
            if files.attachment:
                yield Raw("Content-Disposition"), Raw("attachment")
                yield Raw("X-Content-Type-Options"), Raw("nosniff")
        request_id = self._deployment.trust.request_id
        if request_id is not None:
            yield Raw(request_id.header), self._variables.request_id
        down = route.policies.maintenance
        if down is not None and down.file is None and down.retry_after is not None:
            yield Raw("Retry-After"), raw(int(down.retry_after.seconds))

    def _of_site(self) -> Iterator[Words]:
        secured = [listener for listener in self._site.listeners if listener.tls]
        hsts = self._site.hsts
        if hsts is not None and secured:
            words = [f"max-age={int(hsts.max_age.seconds)}"]
            words += ["includeSubDomains"] if hsts.include_subdomains else []
            words += ["preload"] if hsts.preload else []
            yield Raw("Strict-Transport-Security"), "; ".join(words)
        if self._gate.can("http3_edge"):
            for listener in secured:
                if listener.options.speaks("h3"):
                    yield Raw("Alt-Svc"), Raw(f"'h3=\":{listener.public_port}\"; ma=86400'")

    def _cors(self, cors: Cors, name: str) -> Iterator[Words]:
        origin = self._variables.origin(name, cors)
        yield Raw("Access-Control-Allow-Origin"), origin
        yield Raw("Vary"), Raw("Origin")
        if cors.credentials:
            yield Raw("Access-Control-Allow-Credentials"), self._variables.only_if(origin, f"{name}_credentials", "true")
        if cors.expose:
            exposed = self._variables.only_if(origin, f"{name}_expose", ", ".join(cors.expose))
            yield Raw("Access-Control-Expose-Headers"), exposed
        preflight = self._variables.preflight(name, cors)
        answers = {
            "methods": ("Access-Control-Allow-Methods", ", ".join(cors.methods)),
            "headers": ("Access-Control-Allow-Headers", ", ".join(cors.headers)),
            "max_age": ("Access-Control-Max-Age", str(int(cors.max_age.seconds))),
        }
        for key, (field, value) in answers.items():
            if value:
                yield Raw(field), self._variables.if_one(preflight, f"{name}_{key}", value)
