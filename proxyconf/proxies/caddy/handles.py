"""Routes as `handle` blocks: what is done with the requests of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from posixpath import basename, dirname

from proxyconf.facts.gate import Gate
from proxyconf.proxies.caddy.matchers import conditions, matcher, websocket
from proxyconf.proxies.caddy.plan import NOTHING, Files, Handle, Matcher, Page, ReverseProxy, Words
from proxyconf.proxies.caddy.upstreams import header_up, reverse_proxy, transport
from proxyconf.spec.deployment import Deployment, Forward, ResolvedRoute, ResolvedSite, ResolvedUpstream, ServeFiles
from proxyconf.spec.policies import DEFAULTS, Cors, Policies
from proxyconf.spec.routes import Internal, PathMatch, RedirectTo, Respond
from proxyconf.syntax.caddyfile import joined, multiline
from proxyconf.syntax.words import Raw, raw

__all__ = ["Routes", "routes"]

_IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass
class Routes:
    """The handles of a site, in order, and the matchers they name."""

    handles: list[Handle] = field(default_factory=list)
    matchers: list[Matcher] = field(default_factory=list)

    def name(self, name: str, *found: Words) -> Raw:
        """Add a matcher and return how it is written; without a condition it is everything."""
        if not found:
            return NOTHING
        added = matcher(name, *found)
        if added not in self.matchers:
            self.matchers.append(added)
        return added.name


def routes(deployment: Deployment, site: ResolvedSite, gate: Gate) -> Routes:
    """Return the handles of a site."""
    made = Routes()
    alone = len(site.routes) == 1
    for at, route in enumerate(site.routes):
        name = "route" if alone else f"route{at}"
        made.handles += _Route(deployment, site, route, gate, made, name).handles()
    if not site.takes_everything:
        # Else Caddy says 200 and nothing.
        made.handles.append(Handle(respond=(Raw("404"),)))
    return made


class _Route:
    """One route of a site."""

    def __init__(
        self, deployment: Deployment, site: ResolvedSite, route: ResolvedRoute, gate: Gate, made: Routes, name: str
    ) -> None:
        self._deployment, self._site, self._route, self._gate = deployment, site, route, gate
        self._made, self._name = made, name
        self._conditions = conditions(route.match)
        self._policies: Policies = route.policies

    def handles(self) -> Iterator[Handle]:
        """Yield what keeps requests away first, then what answers them."""
        if self._policies.allow:
            away = (*self._conditions, (Raw("not client_ip"), *self._policies.allow))
            yield Handle(self._made.name(f"{self._name}_denied", *away), error=Raw("403"))
        if self._policies.maintenance is not None:
            yield self._maintenance()
        if self._policies.cors is not None:
            yield self._preflight(self._policies.cors)
        if isinstance(self._route.action, Forward) and not self._route.action.may_be_websocket:
            asks = (*self._conditions, *websocket("websocket").conditions)
            yield Handle(self._made.name(f"{self._name}_websocket", *asks), error=Raw("403"))
        yield self._answer()

    def _maintenance(self) -> Handle:
        down = self._policies.maintenance
        assert down is not None
        exempt = ((Raw("not client_ip"), *down.exempt),) if down.exempt else ()
        name = self._made.name(f"{self._name}_down", *self._conditions, *exempt)
        headers = ((Raw("Retry-After"), raw(int(down.retry_after.seconds))),) if down.retry_after else ()
        if down.file is None:
            return Handle(name, headers=headers, respond=(Raw("503"),))
        page = Files(NOTHING, dirname(down.file), f"/{basename(down.file)}", "", (), Raw("503"))
        return Handle(name, headers=headers, files=page)

    def _origins(self, cors: Cors) -> tuple[Words, ...]:
        return tuple((Raw("header Origin"), Raw("*") if origin == "*" else origin) for origin in cors.origins)

    def _allow_origin(self, cors: Cors) -> Raw:
        return Raw("*") if "*" in cors.origins else Raw("{header.Origin}")

    def _preflight(self, cors: Cors) -> Handle:
        asks = (Raw("method OPTIONS"),), (Raw("header Access-Control-Request-Method *"),)
        name = self._made.name(f"{self._name}_preflight", *self._conditions, *asks, *self._origins(cors))
        headers: list[Words] = [
            (Raw("Access-Control-Allow-Origin"), self._allow_origin(cors)),
            (Raw("Access-Control-Allow-Methods"), ", ".join(cors.methods)),
            (Raw("Access-Control-Max-Age"), raw(int(cors.max_age.seconds))),
            (Raw("Vary"), Raw("Origin")),
        ]
        if cors.headers:
            headers.append((Raw("Access-Control-Allow-Headers"), ", ".join(cors.headers)))
        if cors.credentials:
            headers.append((Raw("Access-Control-Allow-Credentials"), Raw("true")))
        return Handle(name, headers=tuple(headers), respond=(Raw("204"),))

    def _answer(self) -> Handle:
        policies = self._policies
        compression = policies.compression
        handle = Handle(
            self._made.name(self._name, *self._conditions),
            log_skip=policies.log == "off",
            headers=tuple(self._headers()),
            max_size=NOTHING if policies.limits.request_body.is_unlimited else raw(policies.limits.request_body),
        )
        if compression is not None:
            encodings = tuple(raw(one) for one in compression.encodings if self._gate.can(f"compression_{one}"))
            # What follows a type, such as a charset, is part of the field.
            types = tuple(f"{kind.removesuffix('*')}*" for kind in compression.types)
            handle = replace(handle, encode=encodings, encode_types=types, encode_min=raw(compression.min_length.bytes))
        handle = self._with_auth(handle)
        match self._route.action:
            case Forward() as forward:
                return self._forward(handle, forward)
            case ServeFiles() as files:
                return self._files(handle, files)
            case Internal():
                return replace(handle, respond=(Raw("404"),))
            case RedirectTo() as redirect:
                return self._redirect(handle, redirect)
            case Respond() as answer:
                return self._respond(handle, answer)

    def _headers(self) -> Iterator[Words]:
        """Yield what is done with fields of the response; `>` waits for what the app sends."""
        response = self._policies.headers.response
        if self._site.hsts is not None and any(listener.tls for listener in self._site.listeners):
            hsts = self._site.hsts
            words = [f"max-age={int(hsts.max_age.seconds)}"]
            words += ["includeSubDomains"] if hsts.include_subdomains else []
            words += ["preload"] if hsts.preload else []
            yield Raw(">Strict-Transport-Security"), "; ".join(words)
        for name, value in response.set.items():
            yield Raw(f">{name}"), value
        for name, value in response.default.items():
            yield Raw(f"?{name}"), value
        for name in response.remove:
            yield (Raw(f"-{name}"),)
        cors = self._policies.cors
        if cors is not None:
            name = self._made.name(f"{self._name}_origin", *self._origins(cors))
            yield name, Raw(">Access-Control-Allow-Origin"), self._allow_origin(cors)
            yield name, Raw("+Vary"), Raw("Origin")
            if cors.expose:
                yield name, Raw(">Access-Control-Expose-Headers"), ", ".join(cors.expose)
            if cors.credentials:
                yield name, Raw(">Access-Control-Allow-Credentials"), Raw("true")
        if self._deployment.trust.request_id is not None:
            yield Raw(f">{self._deployment.trust.request_id.header}"), Raw("{vars.request_id}")

    def _forward(self, handle: Handle, forward: Forward) -> Handle:
        stem = self._route.match.path.value.removesuffix("/")
        prefix = stem if forward.tell_prefix or "prefix" in self._deployment.trust.forwarded.fields else ""
        if forward.replace_prefix is not None:
            base = forward.replace_prefix.removesuffix("/")
            rewrite = joined(base, Raw("{uri}")) if base else NOTHING
            handle = replace(handle, strip_prefix=stem, rewrite=rewrite)
            if base and stem == self._route.match.path.value:
                # Without its prefix this path is empty, and would become "/".
                itself = self._made.name(f"{self._name}_itself", (Raw("path"), stem))
                handle = replace(handle, itself=itself, itself_rewrite=base)
        else:
            prefix = ""
        return replace(handle, proxies=tuple(self._proxies(forward.upstream, forward, prefix)))

    def _proxies(self, upstream: ResolvedUpstream, forward: Forward | None, prefix: str = "") -> Iterator[ReverseProxy]:
        accel, pages = tuple(self._accel()), tuple(self._pages())
        common = (self._deployment, self._route, upstream, self._gate)
        split = upstream.options.is_http2 and not upstream.options.is_grpc
        if forward is not None and forward.websocket:
            yield reverse_proxy(*common, websocket=True, prefix=prefix)
            return
        if split and (forward is None or forward.may_be_websocket) and upstream.options.websocket != "off":
            asks = websocket("websocket")
            self._made.name("websocket", *asks.conditions)
            yield reverse_proxy(*common, matcher=asks.name, websocket=True, prefix=prefix)
        yield reverse_proxy(*common, prefix=prefix, accel=accel, pages=pages)

    def _accel(self) -> Iterator[Files]:
        for at, route in enumerate(self._site.routes):
            if isinstance(route.action, Internal):
                stem = route.match.path.value
                yield Files(Raw(f"@accel{at}"), route.action.root, f"{stem}*", stem.removesuffix("/"), ())

    def _pages(self) -> Iterator[Page]:
        errors = self._policies.errors
        if errors is not None and errors.source == "any":
            for at, page in enumerate(errors.pages):
                statuses = tuple(raw(status) for status in page.statuses)
                yield Page(Raw(f"@page{at}"), statuses, dirname(page.file), f"/{basename(page.file)}")

    def _with_auth(self, handle: Handle) -> Handle:
        auth, upstream = self._policies.auth, self._route.auth_upstream
        if auth is None or auth.forward is None or upstream is None:
            return handle
        asks = reverse_proxy(self._deployment, self._route, upstream, self._gate)
        # What asks for a WebSocket is asked about by a plain request.
        plain = ((Raw("header_up"), Raw("-Upgrade")), (Raw("header_up"), Raw("-Connection")))
        fields = (*header_up(self._deployment.trust, DEFAULTS, ""), *plain)
        asks = replace(asks, lines=fields, transport=transport(upstream.options, self._policies))
        copied = tuple(raw(name) for name in auth.forward.copy_headers)
        return replace(handle, auth=asks, auth_uri=auth.forward.path, auth_copy=copied)

    def _files(self, handle: Handle, action: ServeFiles) -> Handle:
        files = action.files
        headers = handle.headers
        if files.cache_control:
            value = _IMMUTABLE if files.cache_control == "immutable" else files.cache_control
            headers = (*headers, (Raw("Cache-Control"), value))
        if files.attachment:
            headers = (*headers, (Raw("Content-Disposition"), Raw("attachment")), (Raw("X-Content-Type-Options"), Raw("nosniff")))
        precompressed = tuple(raw(encoding) for encoding in files.precompressed)
        if files.file is not None:
            served = Files(NOTHING, dirname(files.file), f"/{basename(files.file)}", "", precompressed)
        else:
            stem = self._route.match.path.value.removesuffix("/")
            strip = stem if files.strip_prefix and self._route.match.path.type == "prefix" else ""
            served = Files(NOTHING, str(files.root), "", strip, precompressed)
        handle = replace(handle, headers=headers, files=served)
        if action.fallback is None:
            return handle
        there = self._made.name(f"{self._name}_file", (Raw("file"), Raw("{path}")))
        return replace(handle, only_if_file=there, proxies=tuple(self._proxies(action.fallback, None)))

    def _redirect(self, handle: Handle, redirect: RedirectTo) -> Handle:
        status = raw(redirect.status)
        if not redirect.keep_rest:
            return replace(handle, redirect=(redirect.to, status))
        stem = _stem(self._route.match.path)
        return replace(handle, strip_prefix=stem, redirect=(joined(redirect.to.removesuffix("/"), Raw("{uri}")), status))

    def _respond(self, handle: Handle, answer: Respond) -> Handle:
        body, kind = answer.text
        headers = (*handle.headers, (Raw("Content-Type"), kind)) if kind else handle.headers
        words: Words = (raw(answer.status),) if not body else (multiline(body), raw(answer.status))
        return replace(handle, headers=headers, respond=words)


def _stem(path: PathMatch) -> str:
    return path.value.removesuffix("/") if path.type == "prefix" else ""
