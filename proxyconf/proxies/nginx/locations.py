"""Routes as `location` blocks.

nginx takes an exact location, else the longest prefix, unless a regular expression fits. Of routes that only a path
decides that is the first match too: one that an earlier one covers was refused when the file was read. Routes that
methods, fields or parameters decide are guards of every location whose requests they may want.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from posixpath import basename, dirname

from proxyconf.facts.gate import Gate
from proxyconf.proxies.nginx.headers import Headers
from proxyconf.proxies.nginx.plan import NOTHING, Files, Guard, Location, Proxy, Words
from proxyconf.proxies.nginx.upstreams import Hop, Upstreams
from proxyconf.proxies.nginx.variables import Variables
from proxyconf.spec.deployment import Deployment, Forward, ResolvedRoute, ResolvedSite, ResolvedUpstream, ServeFiles
from proxyconf.spec.policies import DEFAULTS, Policies
from proxyconf.spec.routes import Internal, PathMatch, RedirectTo, Respond
from proxyconf.syntax.nginx import body, joined, pattern
from proxyconf.syntax.words import Raw, raw

__all__ = ["Site", "size"]

# Statuses that nobody sends; `error_page` turns them into a jump to a named location.
_WEBSOCKET, _GRPC, _FIRST_CONDITIONAL = 590, 591, 540


class Site:
    """The locations of one site."""

    def __init__(
        self, deployment: Deployment, site: ResolvedSite, number: int, gate: Gate, upstreams: Upstreams, variables: Variables
    ) -> None:
        """Keep what the locations are made of."""
        self._deployment, self._site, self._gate = deployment, site, gate
        self._variables, self._upstreams = variables, upstreams
        self._hop = Hop(upstreams, variables)
        self._headers = Headers(deployment, site, variables, gate)
        self._name = f"site{number}"
        self._named: list[Location] = []
        self.zones: list[Words] = []

    def locations(self) -> tuple[Location, ...]:
        """Return them all: those that paths lead to, those that guards lead to, and the error pages."""
        paths = list(dict.fromkeys(route.match.path for route in self._site.routes))
        if PathMatch(type="prefix", value="/") not in paths:
            paths.append(PathMatch(type="prefix", value="/"))
        # "/x" is two locations, unless a route of its own has one of them.
        own = {(path.type, path.value) for path in paths}
        by_path = [
            location
            for path in paths
            for kind, location in self._of_path(path)
            if kind == (path.type, path.value) or kind not in own
        ]
        return (*_shared([*by_path, *self._conditional(), *self._named]), *self._error_pages(), *self._auth_locations())

    def _scope(self, route: ResolvedRoute, policy: str, name: str) -> str:
        """Return what the variables of a policy are named after: the site, if the whole site says it."""
        return name if "routes" in route.where(policy) else self._name

    def _of_path(self, path: PathMatch) -> Iterator[tuple[tuple[str, str], Location]]:
        """Yield the locations of a path with what each is: guards for conditional routes, then the first route that takes the rest."""
        guards: list[Guard] = []
        rest: ResolvedRoute | None = None
        for at, route in enumerate(self._site.routes):
            covers = route.match.path == path or route.match.path.covers(path)
            if not covers:
                continue
            if route.match.is_unconditional:
                rest = route
                break
            variable = self._variables.condition(f"{self._name}_route{at}", route.match)
            guards.append(Guard(Raw(f"{variable} = 1"), raw(_FIRST_CONDITIONAL + at), Raw(f"@{self._name}_route{at}")))
        for kind, head in self._heads(path):
            if rest is None:
                yield kind, Location(head, guards=tuple(guards), answer=(Raw("404"),))
            else:
                at = self._site.routes.index(rest)
                made = self._location(rest, head, f"{self._name}_route{at}")
                yield kind, replace(made, guards=(*guards, *made.guards))

    def _conditional(self) -> Iterator[Location]:
        for at, route in enumerate(self._site.routes):
            if not route.match.is_unconditional:
                name = f"{self._name}_route{at}"
                yield self._location(route, (Raw(f"@{name}"),), name)

    def _heads(self, path: PathMatch) -> Iterator[tuple[tuple[str, str], Words]]:
        """Yield what stands behind `location`; "/x" is itself and what is below it."""
        if path.type == "regex":
            yield ("regex", path.value), (Raw("~"), pattern(path.value))
        elif path.type == "exact":
            yield ("exact", path.value), (Raw("="), path.value)
        else:
            first = any(route.match.path.type == "regex" for route in self._site.routes) and self._before_regexes(path)
            mark = (Raw("^~"),) if first and path.value != "/" else ()
            if path.value.endswith("/"):
                yield ("prefix", path.value), (*mark, path.value)
            else:
                yield ("exact", path.value), (Raw("="), path.value)
                yield ("prefix", f"{path.value}/"), (*mark, f"{path.value}/")

    def _before_regexes(self, path: PathMatch) -> bool:
        kinds = [route.match.path for route in self._site.routes]
        return path in kinds and any(kind.type == "regex" for kind in kinds[kinds.index(path) :])

    def _location(self, route: ResolvedRoute, head: Words, name: str) -> Location:
        """Return one route's location."""
        policies = route.policies
        base = Location(
            head,
            access_log_off=policies.log == "off",
            guards=tuple(self._keep_out(route, name)),
            allow=policies.allow,
            lines=tuple(self._lines(policies, self._scope(route, "rate_limit", name))),
            headers=tuple(self._headers.of(route, self._scope(route, "cors", name))),
            error_pages=tuple(self._pages(policies)),
        )
        if policies.maintenance is not None and not policies.maintenance.exempt:
            return replace(base, answer=(Raw("503"),))
        match route.action:
            case Forward() as forward:
                return self._forward(base, route, forward, name)
            case ServeFiles() as files:
                return self._files(base, route, files, name)
            case Internal() as files:
                return self._internal(base, route, files)
            case RedirectTo() as redirect:
                answer: Words = (raw(redirect.status), self._redirect(route, redirect, name))
                return self._answer(base, route, Location((), answer=answer), name)
            case Respond() as fixed:
                return self._answer(base, route, _respond(fixed), name)

    def _internal(self, base: Location, route: ResolvedRoute, files: Internal) -> Location:
        if not base.head[0].startswith("@"):
            return replace(base, internal=True, files=Files("", self._folder(route, files.root), NOTHING, False))
        # Where nginx allows no alias.
        cut: Words = (pattern(f"(?s)^{_escape(route.match.path.value.removesuffix('/'))}/?(.*)$"), Raw("/$1"))
        return replace(base, internal=True, rewrite=cut, files=Files(files.root, "", NOTHING, False))

    def _folder(self, route: ResolvedRoute, root: str) -> str:
        """Return what an alias of a prefix is: nginx puts the rest behind it as it stands."""
        return f"{root.removesuffix('/')}/" if route.match.path.value.endswith("/") else root

    def _keep_out(self, route: ResolvedRoute, name: str) -> Iterator[Guard]:
        policies = route.policies
        if policies.maintenance is not None and policies.maintenance.exempt:
            scope = self._scope(route, "maintenance", name)
            let_in = self._variables.geo(f"${scope}_let_in", policies.maintenance.exempt)
            yield Guard(Raw(f"{let_in} = 0"), Raw("503"), NOTHING)
        if policies.cors is not None:
            preflight = self._variables.preflight(self._scope(route, "cors", name), policies.cors)
            yield Guard(Raw(f"{preflight} = 1"), Raw("204"), NOTHING)

    def _lines(self, policies: Policies, name: str) -> Iterator[Words]:
        body_limit = policies.limits.request_body
        yield Raw("client_max_body_size"), raw(body_limit.bytes if body_limit.is_unlimited else size(body_limit.bytes))
        compression = policies.compression
        if compression is not None and "gzip" in compression.encodings:
            yield Raw("gzip"), Raw("on")
            yield Raw("gzip_proxied"), Raw("any")
            yield Raw("gzip_vary"), Raw("on")
            yield Raw("gzip_min_length"), raw(compression.min_length.bytes)
            types = [kind for kind in _types(compression.types) if kind != "text/html"]
            if types:
                yield Raw("gzip_types"), *types
        limit = policies.rate_limit
        if limit is not None and self._gate.can("rate_limit"):
            per = "m" if limit.rate.period != "s" else "s"
            number = limit.rate.requests // 60 if limit.rate.period == "h" else limit.rate.requests
            zone = (Raw(f"$binary_remote_addr zone={name}:10m rate={number}r/{per}"),)
            self.zones += [zone] if zone not in self.zones else []
            yield Raw("limit_req"), Raw(f"zone={name} burst={limit.burst} nodelay")
            yield Raw("limit_req_status"), raw(limit.status)
        if policies.auth is not None and policies.auth.basic is not None:
            yield Raw("auth_basic"), policies.auth.basic.realm
            yield Raw("auth_basic_user_file"), policies.auth.basic.users_file

    def _pages(self, policies: Policies) -> Iterator[Words]:
        if policies.errors is not None:
            for page in policies.errors.pages:
                yield *(raw(status) for status in page.statuses), self._page_uri(page.file)
        if policies.maintenance is not None and policies.maintenance.file is not None:
            yield Raw("503"), self._page_uri(policies.maintenance.file)

    def _page_uri(self, file: str) -> Raw:
        files = self._page_files()
        return Raw(f"/.lasthop/{files.index(file)}")

    def _page_files(self) -> list[str]:
        found: list[str] = []
        for route in self._site.routes:
            errors, down = route.policies.errors, route.policies.maintenance
            found += [page.file for page in errors.pages] if errors else []
            found += [down.file] if down and down.file else []
        return list(dict.fromkeys(found))

    def _error_pages(self) -> Iterator[Location]:
        for at, file in enumerate(self._page_files()):
            retry = [
                route.policies.maintenance.retry_after
                for route in self._site.routes
                if route.policies.maintenance and route.policies.maintenance.file == file
            ]
            headers = tuple((Raw("Retry-After"), raw(int(after.seconds))) for after in retry[:1] if after)
            name = basename(file)
            lines: list[Words] = [(Raw("root"), dirname(file)), (Raw("rewrite"), Raw("^"), f"/{name}", Raw("break"))]
            yield Location((Raw("="), Raw(f"/.lasthop/{at}")), internal=True, headers=headers, lines=tuple(lines))

    def _forward(self, base: Location, route: ResolvedRoute, forward: Forward, name: str) -> Location:
        upstream = forward.upstream
        kind = self._upstreams.kind(upstream)
        stem = route.match.path.value.removesuffix("/") if route.match.path.type == "prefix" else ""
        prefix = ""
        if forward.replace_prefix is not None:
            new = forward.replace_prefix.removesuffix("/")
            # "/x" may be all of the path, and then nothing follows the new prefix either.
            whole = bool(new) and stem == route.match.path.value
            target = joined(new if whole else f"{new}/", Raw("$1"))
            base = replace(base, rewrite=(pattern(f"(?s)^{_escape(stem)}{'' if whole else '/?'}(.*)$"), target))
            prefix = stem if forward.tell_prefix or "prefix" in self._deployment.trust.forwarded.fields else ""
        base = self._with_auth(base, route, name)
        if forward.websocket:
            proxy = self._hop.proxy(route, upstream, "http1", websocket=True, prefix=prefix)
            return replace(base, proxy=self._told(proxy, base))
        guards = list(base.guards)
        if forward.may_be_websocket and not upstream.options.is_grpc:
            guards.append(Guard(self._variables.websocket(), raw(_WEBSOCKET), Raw(f"@{name}_websocket")))
            inner = replace(base, head=(Raw(f"@{name}_websocket"),), guards=())
            proxy = self._hop.proxy(route, upstream, "http1", websocket=True, prefix=prefix)
            self._add(replace(inner, proxy=self._told(proxy, base)))
        if kind == "h2":
            # nginx's HTTP/2 to upstreams breaks gRPC's answers without a body; grpc_pass does not.
            guards.append(Guard(self._variables.grpc(), raw(_GRPC), Raw(f"@{name}_grpc")))
            inner = replace(base, head=(Raw(f"@{name}_grpc"),), guards=())
            self._add(replace(inner, proxy=self._told(self._hop.proxy(route, upstream, "grpc", prefix=prefix), base)))
        if not forward.may_be_websocket:
            guards.append(Guard(self._variables.websocket(), Raw("403"), NOTHING))
        proxy = self._hop.proxy(route, upstream, kind, prefix=prefix)
        return replace(base, guards=tuple(guards), proxy=self._told(proxy, base))

    def _told(self, proxy: Proxy, base: Location) -> Proxy:
        """Return how requests travel, with what the service that let them in said about them."""
        copied = tuple((field, variable) for variable, field in base.auth_copies)
        return replace(proxy, fields=(*proxy.fields, *copied)) if copied else proxy

    def _add(self, location: Location) -> None:
        if location not in self._named:
            self._named.append(location)

    def _with_auth(self, base: Location, route: ResolvedRoute, name: str) -> Location:
        auth = route.policies.auth
        if auth is None or auth.forward is None:
            return base
        names = {field: field.lower().replace("-", "_") for field in auth.forward.copy_headers}
        sets = tuple((Raw(f"${name}_{short}"), Raw(f"$upstream_http_{short}")) for short in names.values())
        copies = tuple((Raw(f"${name}_{short}"), Raw(field)) for field, short in names.items())
        return replace(base, auth=Raw(f"/.lasthop/auth/{name}"), auth_sets=sets, auth_copies=copies)

    def _auth_locations(self) -> Iterator[Location]:
        for at, route in enumerate(self._site.routes):
            auth, upstream = route.policies.auth, route.auth_upstream
            if auth is None or auth.forward is None or upstream is None:
                continue
            kind = self._upstreams.kind(upstream)
            proxy = self._hop.proxy(replace(route, policies=DEFAULTS), upstream, kind)
            fields = (*proxy.fields, (Raw("Content-Length"), Raw('""')), (Raw("X-Original-URI"), Raw("$request_uri")))
            lines = (*proxy.lines, (Raw("proxy_pass_request_body"), Raw("off"))) if proxy.prefix == "proxy" else proxy.lines
            head = (Raw("="), Raw(f"/.lasthop/auth/{self._name}_route{at}"))
            rewrite: Words = (Raw("^"), auth.forward.path)
            yield Location(head, internal=True, rewrite=rewrite, proxy=replace(proxy, fields=fields, lines=lines))

    def _files(self, base: Location, route: ResolvedRoute, action: ServeFiles, name: str) -> Location:
        files, path = action.files, route.match.path
        base = self._with_auth(base, route, name)
        precompressed = "gzip" in files.precompressed
        named = base.head[0].startswith("@")  # where nginx allows no alias
        if files.file is not None:
            if path.type == "exact" and not named:
                return replace(base, files=Files("", files.file, NOTHING, precompressed))
            rewrite: Words = (Raw("^"), f"/{basename(files.file)}")
            return replace(base, rewrite=rewrite, files=Files(dirname(files.file), "", NOTHING, precompressed))
        root = str(files.root)
        strips = files.strip_prefix and path.type == "prefix" and path.value != "/"
        if action.fallback is None:
            if strips and named:
                cut: Words = (pattern(f"(?s)^{_escape(path.value.removesuffix('/'))}/?(.*)$"), Raw("/$1"))
                return replace(base, rewrite=cut, files=Files(root, "", NOTHING, precompressed))
            served = Files("", self._folder(route, root), NOTHING, precompressed) if strips else Files(root, "", NOTHING, precompressed)
            return replace(base, files=served)
        self._fallback(base, route, action.fallback, name)
        return replace(base, files=Files(root, "", Raw(f"@{name}_app"), precompressed))

    def _fallback(self, base: Location, route: ResolvedRoute, upstream: ResolvedUpstream, name: str) -> None:
        forward = Forward(upstream, None, None, False)
        inner = self._forward(replace(base, head=(Raw(f"@{name}_app"),), guards=()), route, forward, f"{name}_app")
        self._add(inner)

    def _redirect(self, route: ResolvedRoute, redirect: RedirectTo, name: str) -> str:
        if not redirect.keep_rest:
            return redirect.to
        stem = route.match.path.value.removesuffix("/")
        return joined(redirect.to.removesuffix("/"), self._variables.rest(name, stem))

    def _answer(self, base: Location, route: ResolvedRoute, answer: Location, name: str) -> Location:
        """Return a location that answers at once, or after its guards where somebody may be kept out."""
        if not (route.policies.allow or route.policies.auth):
            return replace(base, default_type=answer.default_type, answer=answer.answer)
        head = (Raw(f"@{name}_answer"),)
        self._named.append(replace(answer, head=head, headers=base.headers))
        return replace(self._with_auth(base, route, name), then=head[0])


def _respond(fixed: Respond) -> Location:
    text, kind = fixed.text
    status = raw(fixed.status)
    return Location((), default_type=kind if text else "", answer=(status, body(text)) if text else (status,))


def _shared(locations: list[Location]) -> list[Location]:
    """Leave out named locations that are like an earlier one but for their name."""
    first: dict[Location, Words] = {}
    names: dict[str, str] = {}
    for location in locations:
        if location.head[0].startswith("@"):
            names[location.head[0]] = first.setdefault(replace(location, head=()), location.head)[0]
    kept = [one for one in locations if names.get(one.head[0], one.head[0]) == one.head[0]]
    return [
        replace(one, guards=tuple(replace(guard, to=Raw(names.get(guard.to, guard.to))) for guard in one.guards))
        for one in kept
    ]


def _escape(text: str) -> str:
    return "".join(f"\\{char}" if char in ".^$*+?()[]{}|\\" else char for char in text)


def _types(types: tuple[str, ...]) -> Iterator[str]:
    """Yield content types; nginx has no `text/*`."""
    for kind in types:
        yield from _TEXT if kind == "text/*" else (kind,)


_TEXT = ("text/css", "text/plain", "text/javascript", "text/xml", "text/markdown", "text/csv")


def size(amount: int) -> str:
    """Return a number of bytes as nginx reads it."""
    for unit, factor in (("g", 2**30), ("m", 2**20), ("k", 2**10)):
        if amount % factor == 0:
            return f"{amount // factor}{unit}"
    return str(amount)

