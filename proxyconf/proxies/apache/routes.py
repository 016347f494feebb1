"""Routes as rewrite rules in their order, and what holds for the requests of each as `<If>` sections.

A rule notes the route in ROUTE, which the sections ask for. What answers without an upstream does so behind the door: the
rule leaves the request alone, and a section redirects it or turns it to a fixed answer after Apache asked who it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import quote

from proxyconf.facts.gate import Gate
from proxyconf.proxies.apache.balancers import Balancers, Kind
from proxyconf.proxies.apache.files import aliases, files_rules
from proxyconf.proxies.apache.matching import below, conditions, of_path, sent
from proxyconf.proxies.apache.plan import Answer, Lines, Rule, Section, Words, line
from proxyconf.proxies.apache.policies import cors_lines, door, down, pages, shape
from proxyconf.spec.deployment import Deployment, Forward, ResolvedRoute, ResolvedSite, ServeFiles
from proxyconf.spec.routes import RedirectTo, Respond
from proxyconf.syntax.apache import escaped, pattern, substitution
from proxyconf.syntax.words import Raw, raw

__all__ = ["Site"]

# Only a request that comes from outside; an error page is an internal redirect of one.
_OUTSIDE = "-z reqenv('REDIRECT_STATUS')"
_TARGET = Raw("%{ENV:TARGET}")
_PREFLIGHT = "-preflight"


class Site:
    """The rules and sections of one site on one listener."""

    def __init__(self, deployment: Deployment, site: ResolvedSite, scheme: str, gate: Gate, balancers: Balancers) -> None:
        """Keep what they are made of."""
        self._deployment, self._site, self._scheme = deployment, site, scheme
        self._gate, self._balancers = gate, balancers
        self._number = site.path[-1]
        self._shapes: dict[str, Lines] = {}
        self._doors: list[tuple[str, str, Lines]] = []
        self.answers: list[Answer] = []
        self.page_files = _page_files(site)
        self.rules = tuple(self._rules())

    @property
    def folders(self) -> Lines:
        """What is on disk: pages, and the files of routes."""
        made = [line(f"/.lasthop/pages/{at}", file) for at, file in enumerate(self.page_files)]
        return (*made, *(words for at, route in enumerate(self._site.routes) for words in aliases(route, at)))

    @property
    def common(self) -> Lines:
        """What all routes do alike."""
        first, *rest = [lines for name, lines in self._shapes.items() if not name.endswith(_PREFLIGHT)]
        return tuple(one for one in first if all(one in lines for lines in rest))

    @property
    def sections(self) -> tuple[Section, ...]:
        """What routes do besides, those that do the same together; then the doors, then what answers at once."""
        common = self.common
        grouped: dict[Lines, list[str]] = {}
        for name, lines in self._shapes.items():
            grouped.setdefault(tuple(one for one in lines if one not in common), []).append(name)
        shapes = [Section(_of(names), lines) for lines, names in grouped.items() if lines]
        doors: dict[tuple[str, Lines], list[str]] = {}
        for name, condition, lines in self._doors:
            doors.setdefault((condition, lines), []).append(name)
        made = [Section(_all(_of(names), _OUTSIDE, condition), lines) for (condition, lines), names in doors.items()]
        inside = [Section(Raw("-n reqenv('REDIRECT_STATUS')"), (line("Require all granted"),))] if self._has_inside else []
        return (*shapes, *made, *inside)

    @property
    def _has_inside(self) -> bool:
        return bool(self.page_files or self.answers)

    def _rules(self) -> Iterator[Rule]:
        routes: list[Rule] = []
        for at, route in enumerate(self._site.routes):
            routes += self._route(route, at)
        if self._has_inside:
            inside = (line('%{ENV:REDIRECT_STATUS} "."'), line('%{ENV:REDIRECT_ROUTE} "(.*)"'))
            yield Rule(inside, line('"^/(?:answers|\\.lasthop)/" "-" [E=ROUTE:%1,L]'))
        if any(isinstance(route.action, ServeFiles) for route in self._site.routes):
            yield Rule((line('%{IS_SUBREQ} "true"'),), line('"^/\\.lasthop/" "-" [L]'))
        yield from routes
        if not self._site.takes_everything:
            yield Rule((), line('"^" "-" [R=404,L]'))

    def _route(self, route: ResolvedRoute, at: int) -> Iterator[Rule]:
        name, policies = f"route{at}", route.policies
        self._shapes[name] = tuple(shape(route, self._deployment, self.page_files, self._gate))
        if policies.cors is not None:
            yield self._preflight(route, name)
        prefix = self._prefix(route)
        self._door(name, "", tuple(door(route, prefix)))
        yield from self._action(route, at, name)
        limit = policies.limits.request_body
        if not limit.is_unlimited:
            self._door(name, f"req_novary('Content-Length') -gt {limit.bytes}", (line("Redirect 413"),))
        if policies.maintenance is not None:
            said = tuple(pages(policies, self.page_files))[-1:] if policies.maintenance.file else ()
            self._door(name, "" if down(policies) == "true" else str(down(policies)), (line("Redirect 503"), *said))

    def _door(self, name: str, condition: str, lines: Lines) -> None:
        if lines:
            self._doors.append((name, condition, lines))

    def _action(self, route: ResolvedRoute, at: int, name: str) -> Iterator[Rule]:
        match route.action:
            case Forward() as forward:
                yield from self._forward(route, forward, name)
            case ServeFiles() as files:
                yield from files_rules(route, files, at, self._flags(route, name, "PT"))
                if files.fallback is not None:
                    yield from self._forward(route, Forward(files.fallback, None, None, False), name)
            case RedirectTo() as redirect:
                yield from self._redirect(route, redirect, name)
            case Respond() as fixed:
                flags = self._flags(route, name, "L")
                yield Rule(conditions(route.match), (of_path(route.match.path), Raw('"-"'), flags))
                self._answer(name, name, fixed.status, fixed.text[1], fixed.text[0])

    def _flags(self, route: ResolvedRoute, name: str, *flags: str) -> Raw:
        quiet = ["E=UNLOGGED:1"] if route.policies.log == "off" else []
        return Raw(f"[{','.join([*flags, f'E=ROUTE:{name}', *quiet])}]")

    def _prefix(self, route: ResolvedRoute) -> str:
        action = route.action
        if not isinstance(action, Forward) or action.replace_prefix is None:
            return ""
        wanted = action.tell_prefix or "prefix" in self._deployment.trust.forwarded.fields
        return route.match.path.value.removesuffix("/") if wanted else ""

    def _forward(self, route: ResolvedRoute, forward: Forward, name: str) -> Iterator[Rule]:
        upstream = forward.upstream
        match = conditions(route.match)
        if not forward.may_be_websocket:
            self._door(name, "req_novary('Upgrade') =~ /^websocket$/i", (line("Redirect 403"),))
        if forward.websocket:
            yield from self._proxied(route, forward, "websocket", match, name)
            return
        kind = self._balancers.kind(upstream)
        if upstream.options.is_http2 and route.match.grpc is not None:
            kind = "grpc"
        if forward.may_be_websocket and not upstream.options.is_grpc:
            upgrade = line('%{HTTP:Upgrade} "^websocket\\z" [NC,NV]')
            yield from self._proxied(route, forward, "websocket", (*match, upgrade), name)
        yield from self._proxied(route, forward, kind, match, name)

    def _proxied(self, route: ResolvedRoute, forward: Forward, kind: Kind, match: Lines, name: str) -> Iterator[Rule]:
        url = self._balancers.url(forward.upstream, kind, route.policies)
        flags = self._flags(route, name, "P", "NE", "UnsafeAllow3F")
        path = route.match.path
        if forward.replace_prefix is None:
            yield Rule(match, (of_path(path), substitution(url, _TARGET), flags))
            return
        base = forward.replace_prefix.removesuffix("/")
        stem = sent(path.value.removesuffix("/"))
        # "/x" may be all of the path, and then nothing follows the new prefix either.
        whole = bool(base) and not path.value.endswith("/")
        base = base if whole else f"{base}/"
        rest = (_TARGET, pattern(f"^{stem}((?:[/?]|%2[Ff]).*)?$" if whole else f"^{stem}/?([^?].*|\\?.*)?$"))
        yield Rule((*match, rest), (of_path(path), substitution(url, base, Raw("%1")), flags))
        # Whoever wrote the prefix itself in another way gets what Apache read of it.
        yield Rule(match, (below(path, slash=whole), substitution(url, base, Raw("$1")), self._flags(route, name, "P")))

    def _redirect(self, route: ResolvedRoute, redirect: RedirectTo, name: str) -> Iterator[Rule]:
        match, path = conditions(route.match), route.match.path
        rest = Raw("")
        to = quote(redirect.to, safe="%/:?#[]@!$&'()*+,;=~-._")
        if redirect.keep_rest:
            stem = sent(path.value.removesuffix("/"))
            yield Rule(((_TARGET, pattern(f"^{stem}(.*)$")),), (of_path(path), Raw('"-"'), Raw("[E=REST:%1]")))
            rest, to = Raw("%{ENV:REST}"), to.removesuffix("/")
        yield Rule(match, (of_path(path), Raw('"-"'), self._flags(route, name, "L")))
        here = Raw("")
        if to.startswith("/") or not to:
            trusts = bool(self._deployment.trusted_networks)
            here = Raw("%{ENV:PROTO}://%{ENV:HOST}" if trusts else f"{self._scheme}://%{{HTTP_HOST}}")
        rule: Words = (Raw('RewriteRule "^"'), substitution(here, to, rest), Raw(f"[R={redirect.status},NE,QSD,UnsafeAllow3F,L]"))
        policies = route.policies
        if policies.maintenance is None or policies.maintenance.exempt:
            open_to = "" if policies.maintenance is None else f"!({down(policies)})"
            self._door(name, open_to, (line("RewriteEngine On"), rule))

    def _answer(self, name: str, file: str, status: int, kind: str, text: str) -> None:
        """Turn requests to a file of mod_asis: as an error page, since the module itself answers GET only."""
        path = f"answers/site{self._number}-{file}.asis"
        self.answers.append(Answer(Raw(path), raw(f"{status} {_reason(status)}"), Raw(kind), Raw(text)))
        self._door(name, "", (line("Redirect 404"), line(f"ErrorDocument 404 /{path}")))

    def _preflight(self, route: ResolvedRoute, name: str) -> Rule:
        cors = route.policies.cors
        assert cors is not None
        name = f"{name}{_PREFLIGHT}"
        origins = "." if "*" in cors.origins else f"^(?:{'|'.join(escaped(one) for one in cors.origins)})\\z"
        asks = (
            line('%{REQUEST_METHOD} "^OPTIONS\\z"'), line('%{HTTP:Access-Control-Request-Method} "." [NV]'),
            (Raw("%{HTTP:Origin}"), pattern(origins), Raw("[NV]")),
        )  # fmt: skip
        self._shapes[name] = tuple(cors_lines(cors, preflight=True))
        self._door(name, "", (line("Require all granted"),))
        self._answer(name, "preflight", 204, "", "")
        wanted = (*conditions(route.match, methods=False), *asks)
        return Rule(wanted, (of_path(route.match.path), Raw('"-"'), self._flags(route, name, "L")))


def _of(names: list[str]) -> Raw:
    if len(names) == 1:
        return Raw(f"reqenv('ROUTE') == '{names[0]}'")
    return Raw(f"reqenv('ROUTE') =~ /^(?:{'|'.join(names)})$/")


def _all(*conditions: str) -> Raw:
    return Raw(" && ".join(filter(None, conditions)))


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Answer"


def _page_files(site: ResolvedSite) -> list[str]:
    found: list[str] = []
    for route in site.routes:
        errors, closed = route.policies.errors, route.policies.maintenance
        found += [page.file for page in errors.pages] if errors else []
        found += [closed.file] if closed and closed.file else []
    return list(dict.fromkeys(found))
