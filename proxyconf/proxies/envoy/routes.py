"""Virtual hosts and their routes. Envoy takes the first route that fits, as the site file does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from proxyconf.facts.gate import Gate
from proxyconf.proxies.envoy import headers
from proxyconf.proxies.envoy.clusters import Clusters, Kind
from proxyconf.proxies.envoy.filters import Filters
from proxyconf.proxies.envoy.raw import raw_routes
from proxyconf.proxies.envoy.replies import content_type, route_name
from proxyconf.proxies.envoy.tree import Tree, duration, escaped, exact, extension, header
from proxyconf.spec.deployment import Deployment, Forward, ResolvedRoute, ResolvedUpstream, ServeFiles
from proxyconf.spec.routes import Match, PathMatch, RedirectTo, Respond
from proxyconf.syntax.yamlcpp import Shared

__all__ = ["NO_SUCH_FILE", "SiteRoutes", "anything", "unknown"]

_REDIRECTS = {301: "MOVED_PERMANENTLY", 302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}
_HASHES = {
    "client_ip": {"connection_properties": {"source_ip": True}}, "path": {"header": {"header_name": ":path"}},
    "host": {"header": {"header_name": ":authority"}},
}  # fmt: skip
_WEBSOCKET = {"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}}
_OTHER_HOST = extension("envoy.retry_host_predicates.previous_hosts", "retry.host.previous_hosts.v3.PreviousHostsPredicate")
NO_SUCH_FILE: Tree = {"direct_response": {"status": 404}}
_LONGEST = 2**63 - 1
# What all routes of a site say alike is said once, by the site.
_COMMON = (
    "request_headers_to_add", "request_headers_to_remove", "response_headers_to_add", "response_headers_to_remove",
    "typed_per_filter_config",
)  # fmt: skip


def anything(**answer: Any) -> Tree:
    """Return a route for every request."""
    return {"match": {"prefix": "/"}, **answer}


def unknown() -> Tree:
    """Return the virtual host for the names of no site."""
    return {"name": "unknown", "domains": ["*"], "routes": [anything(direct_response={"status": 421})]}


class SiteRoutes:
    """The virtual host of one site."""

    def __init__(self, deployment: Deployment, number: int, gate: Gate, clusters: Clusters, filters: Filters) -> None:
        """Keep what it is made of."""
        self._deployment, self._gate, self._clusters, self._filters = deployment, gate, clusters, filters
        self._site, self._number = deployment.sites[number], number

    def host(self) -> Tree:
        """Return the virtual host."""
        site = self._site
        names = (site.canonical,) if site.canonical else site.hostnames
        made = [one for at, route in enumerate(site.routes) for one in self._route(route, route_name(self._number, at))]
        limits = {route.policies.limits.request_body for route in site.routes if isinstance(route.action, Forward)}
        if len(limits) == 1 and not (limit := limits.pop()).is_unlimited:
            made.insert(0, _too_large({"name": route_name(self._number, 0), "match": {"prefix": "/"}}, limit.bytes))
        common = _hoisted(made)
        common["response_headers_to_add"] = [*headers.of_site(site), *common.get("response_headers_to_add", [])]
        shared = self._filters.of_site(site.policies.rate_limit)
        common["typed_per_filter_config"] = {**shared, **common.get("typed_per_filter_config", {})}
        deeper = [guard for name in names for guard in _deeper(name)]
        said = {key: common[key] for key in _COMMON if common.get(key)}
        routes = [*deeper, *raw_routes(self._deployment, site), *made]
        return {"name": f"site{self._number}", "domains": list(names) or ["*"], "routes": list(map(Shared, routes)), **said}

    def aliases(self, scheme: str, port: int) -> Tree | None:
        """Return the virtual host of the names that lead to the canonical one."""
        site = self._site
        if not site.aliases:
            return None
        redirect: Tree = {"scheme_redirect": scheme, "host_redirect": site.canonical, "response_code": _REDIRECTS[308]}
        if (scheme, port) not in (("https", 443), ("http", 80)):
            redirect["port_redirect"] = port
        return {"name": f"site{self._number}_aliases", "domains": list(site.aliases), "routes": [anything(redirect=redirect)]}

    def _route(self, route: ResolvedRoute, name: str) -> Iterator[Tree]:
        """Yield what a route comes to: itself, and before it what is too large for it or a WebSocket."""
        base: Tree = {"name": name, "match": _match(route.match)}
        action, down = route.action, route.policies.maintenance
        said = self._said(route)
        if down is not None and not down.exempt:
            body = {"body": {"filename": down.file}} if down.file else {}
            kind = [header("content-type", content_type(down.file))] if down.file else []
            yield {**base, "direct_response": {"status": 503, **body}, **_with(said, kind)}
        elif isinstance(action, Forward):
            yield from self._forward(route, action, base, said)
        elif isinstance(action, ServeFiles) and action.files.root is not None:
            yield {**base, **NO_SUCH_FILE, **said}
        elif isinstance(action, ServeFiles) and action.files.file is not None:
            kind = [header("content-type", content_type(action.files.file))]
            yield {**base, "direct_response": {"status": 200, "body": {"filename": action.files.file}}, **_with(said, kind)}
        elif isinstance(action, Respond):
            text, kind_of_text = action.text
            answer: Tree = {"status": action.status, **({"body": {"inline_string": text}} if text else {})}
            kind = [header("content-type", escaped(kind_of_text))] if text else []
            yield {**base, "direct_response": answer, **_with(said, kind)}
        elif isinstance(action, RedirectTo):
            if action.keep_rest:
                yield {**base, "redirect": _redirect(route.match.path, action), **said}
            else:
                yield {**base, "direct_response": {"status": action.status}, **said}
        else:
            raise AssertionError(f"{type(action).__name__} was refused before")

    def _said(self, route: ResolvedRoute) -> Tree:
        """Return the fields and filters of a route."""
        action = route.action
        prefix = ""
        if isinstance(action, Forward) and action.replace_prefix is not None:
            told = action.tell_prefix or "prefix" in self._deployment.trust.forwarded.fields
            prefix = route.match.path.value.removesuffix("/") if told else ""
        to_app, not_to_app = headers.of_requests(route, prefix) if isinstance(action, Forward) else ([], [])
        to_client, not_to_client = headers.of_responses(route)
        answered: list[Tree] = []
        if isinstance(action, ServeFiles) and action.files.root is not None:
            # Files never come to the router, which adds the fields of all other responses.
            answered = [{"remove": name} for name in not_to_client]
            answered += [{"append": one} for one in (*headers.of_site(self._site), *to_client)]
            to_client, not_to_client = [], []
        values = (to_app, not_to_app, to_client, not_to_client, self._filters.of_route(route, answered))
        return {key: value for key, value in zip(_COMMON, values, strict=True) if value}

    def _forward(self, route: ResolvedRoute, action: Forward, base: Tree, said: Tree) -> Iterator[Tree]:
        upstream, policies = action.upstream, route.policies
        limits = {one.policies.limits.request_body for one in self._site.routes if isinstance(one.action, Forward)}
        if len(limits) > 1 and not policies.limits.request_body.is_unlimited:
            yield _too_large(base, policies.limits.request_body.bytes)
        if action.may_be_websocket and not upstream.options.is_grpc:
            hop = self._hop(route, upstream, "http1", websocket=True)
            yield {**_and(base, {} if action.websocket else _WEBSOCKET), "route": hop, **said}
        if not action.websocket:
            yield {**base, "route": self._hop(route, upstream, self._clusters.kind(upstream)), **said}

    def _hop(self, route: ResolvedRoute, upstream: ResolvedUpstream, kind: Kind, *, websocket: bool = False) -> Tree:
        """Return how requests of a route travel."""
        timeouts, options = route.policies.timeouts, upstream.options
        hop: Tree = {"cluster": self._clusters.name(upstream, kind, timeouts.connect)}
        action = route.action
        if isinstance(action, Forward) and action.replace_prefix is not None:
            hop.update(_rewrite(route.match.path, action.replace_prefix))
        # Envoy's `timeout` ends a response that streams; an attempt's bound holds until its head has come.
        hop["timeout"] = "0s"
        hop["idle_timeout"] = duration(timeouts.tunnel if websocket else timeouts.stream_idle)
        retries = self._retries(route, upstream)
        if retries:
            hop["retry_policy"] = retries
        if options.load_balancing.policy == "hash":
            hop["hash_policy"] = [_HASHES[options.load_balancing.hash.key if options.load_balancing.hash else "client_ip"]]
        if websocket:
            hop["upgrade_configs"] = [{"upgrade_type": "websocket"}]
        return hop

    def _retries(self, route: ResolvedRoute, upstream: ResolvedUpstream) -> Tree:
        head = route.policies.timeouts.response_head
        asked, several = upstream.options.retries, len(upstream.options.servers) > 1
        policy: Tree = {}
        if asked is not None or several:
            # In both cases the server has not begun: whatever the method, nothing is done twice.
            policy["retry_on"] = ",".join(asked.on if asked else ("connect-failure", "refused-stream"))
            policy["num_retries"] = asked.attempts if asked else 1
            if several:
                policy["retry_host_predicate"] = [_OTHER_HOST]
                policy["host_selection_retry_max_attempts"] = 5
        if not head.is_off:
            policy["per_try_timeout"] = duration(head)
        return policy


def _match(match: Match) -> Tree:
    """Return the condition of a route; a regular expression stands for the whole path in Envoy."""
    path = match.path
    if path.type == "exact":
        made: Tree = {"path": path.value}
    elif path.type == "regex":
        made = {"safe_regex": {"regex": f"(?:{path.value})(?s:.*)"}}
    else:
        made = {"prefix": path.value} if path.value.endswith("/") else {"path_separated_prefix": path.value}
    conditions = [exact(name.lower(), value) for name, value in match.headers.items()]
    if match.methods:
        one = {"exact": match.methods[0]} if len(match.methods) == 1 else {"safe_regex": {"regex": "|".join(match.methods)}}
        conditions.insert(0, {"name": ":method", "string_match": one})
    if conditions:
        made["headers"] = conditions
    if match.query:
        made["query_parameters"] = [exact(name, value) for name, value in match.query.items()]
    return made


def _and(base: Tree, condition: Tree) -> Tree:
    """Return a route with one more condition on a field."""
    if not condition:
        return base
    match = base["match"]
    return {**base, "match": {**match, "headers": [*match.get("headers", []), condition]}}


def _too_large(base: Tree, limit: int) -> Tree:
    """Return the route of requests that say that their body is longer than it may be."""
    longer = {"name": "content-length", "range_match": {"start": limit + 1, "end": _LONGEST}}
    return {**_and(base, longer), "direct_response": {"status": 413}}


def _deeper(name: str) -> Iterator[Tree]:
    """Yield what keeps names out that are more than one label longer: Envoy's `*` stands for any number."""
    if name.startswith("*."):
        labels = rf"(?i)[^:]+\.[^.:]+{re.escape(name[1:])}(?::[0-9]+)?"
        yield {
            "match": {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"safe_regex": {"regex": labels}}}]},
            "direct_response": {"status": 421},
        }


def _rewrite(path: PathMatch, replacement: str) -> Tree:
    """Return what takes the place of a route's path: "/x/" with what is below it, "/x" with or without."""
    if path.value.endswith("/"):
        return {"prefix_rewrite": f"{replacement.removesuffix('/')}/"}
    if replacement.removesuffix("/"):
        return {"prefix_rewrite": replacement.removesuffix("/")}
    return {"regex_rewrite": {"pattern": {"regex": f"^{re.escape(path.value)}/?"}, "substitution": "/"}}


def _redirect(path: PathMatch, redirect: RedirectTo) -> Tree:
    """Return where a redirect leads that keeps what follows the route's path, and the query."""
    target = urlsplit(redirect.to)
    made: Tree = {}
    if target.scheme:
        made |= {"scheme_redirect": target.scheme, "host_redirect": target.hostname or ""}
    if target.port:
        made["port_redirect"] = target.port
    return {**made, **_rewrite(path, target.path or "/"), "response_code": _REDIRECTS[redirect.status]}


def _with(said: Tree, more: list[Tree]) -> Tree:
    """Return a route's fields with some of its own; what the site file sets wins."""
    return {**said, "response_headers_to_add": [*more, *said.get("response_headers_to_add", [])]} if more else said


def _hoisted(routes: list[Tree]) -> Tree:
    """Take what all routes say alike out of them; those that only keep out say nothing."""
    common: Tree = {}
    speaking = [route for route in routes if route.get("direct_response", {}).get("status") not in (404, 413)]
    for key in _COMMON:
        # Fields of requests matter only where requests go on.
        concerned = [route for route in speaking if "route" in route] if key.startswith("request") else speaking
        if not concerned or not all(key in route for route in concerned):
            continue
        alike = [one for one in concerned[0][key] if all(_says(route[key], one, concerned[0][key]) for route in concerned)]
        if not alike:
            continue
        first = concerned[0][key]
        common[key] = {one: first[one] for one in alike} if isinstance(first, dict) else alike
        for route in concerned:
            rest = _without(route[key], alike)
            if rest:
                route[key] = rest
            else:
                del route[key]
    return common


def _says(said: Tree | list[Any], one: Any, like: Tree | list[Any]) -> bool:
    return said.get(one) == like[one] if isinstance(said, dict) else one in said


def _without(said: Tree | list[Any], alike: list[Any]) -> Tree | list[Any]:
    if isinstance(said, dict):
        return {key: value for key, value in said.items() if key not in alike}
    return [one for one in said if one not in alike]
