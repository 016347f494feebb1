"""HTTP filters beside the router: each stands once in the chain, and routes say for themselves what it is to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from proxyconf.facts.gate import Gate
from proxyconf.proxies.envoy.clusters import Clusters
from proxyconf.proxies.envoy.replies import CONTENT_TYPES, pages_filter
from proxyconf.proxies.envoy.tree import Tree, cidrs, duration, extension, http_filter, typed
from proxyconf.spec.deployment import Forward, ResolvedRoute, ResolvedUpstream, ServeFiles
from proxyconf.spec.policies import Compression, Cors, ForwardAuth, RateLimit
from proxyconf.spec.routes import PathMatch, Static
from proxyconf.spec.upstreams import Sticky
from proxyconf.syntax.yamlcpp import Shared

__all__ = ["Filters"]

# In which order a request passes them; a response passes them the other way round.
_ORDER = ("fields", "maintenance", "allow", "cors", "rate_limit", "auth", "buffer", "compress", "pages", "files", "sticky")
_LIBRARIES = {"gzip": "gzip.compressor.v3.Gzip", "br": "brotli.compressor.v3.Brotli", "zstd": "zstd.compressor.v3.Zstd"}
_TEXTS = ("text/html", "text/css", "text/plain", "text/javascript", "text/xml", "text/csv", "text/markdown", "text/event-stream")
# A question about a WebSocket is no WebSocket, and it has no body.
_OF_ONE_HOP = ("connection", "upgrade", "te", "transfer-encoding", "expect")
_MAX_CLIENTS = 10_000
_UNLIMITED = 1_000_000_000


@dataclass
class Filters:
    """The filters that some route asks for."""

    clusters: Clusters
    gate: Gate
    extra: tuple[Tree, ...] = ()
    """Filters that the site file brings along."""
    _made: dict[str, list[Tree]] = field(default_factory=dict)

    def chain(self) -> list[Tree]:
        """Return all of them in their order."""
        return [*(one for step in _ORDER for one in self._made.get(step, [])), *self.extra]

    def of_route(self, route: ResolvedRoute, answered: list[Tree]) -> Tree:
        """Return what a route says to the filters; `answered` is what becomes of the fields of files."""
        policies, said = route.policies, dict[str, Any]()
        down = policies.maintenance
        if down is not None and down.exempt:
            said[self._plain("maintenance", "rbac", "RBAC")] = _access("DENY", "maintenance", {"not_id": _clients(down.exempt)})
        if policies.allow:
            said[self._plain("allow", "rbac", "RBAC")] = _access("ALLOW", "allowed", _clients(policies.allow))
        if policies.cors is not None:
            said[self._plain("cors", "cors", "Cors")] = _cors(policies.cors)
        said.update(self._rate_limit(route))
        if policies.auth is not None and policies.auth.forward is not None and route.auth_upstream is not None:
            said.update(self._auth(policies.auth.forward, route.auth_upstream, route))
        if policies.buffering.request == "on" and not policies.limits.request_body.is_unlimited:
            most = min(policies.limits.request_body.bytes, 2**32 - 1)
            said[self._plain("buffer", "buffer", "Buffer", max_request_bytes=1)] = typed(
                "extensions.filters.http.buffer.v3.BufferPerRoute", buffer={"max_request_bytes": most}
            )
        if policies.compression is not None:
            said.update(self._compression(policies.compression))
        if policies.errors is not None and policies.errors.source == "any":
            said[self._plain("pages", "custom_response", "CustomResponse")] = pages_filter(policies.errors)
        if isinstance(route.action, Forward) and route.action.upstream.options.sticky is not None:
            said.update(self._sticky(route.action.upstream.options.sticky))
        if isinstance(route.action, ServeFiles):
            said.update(self._files(route.match.path, route.action.files))
        return {**self._fields(route, answered), **said}

    def _fields(self, route: ResolvedRoute, answered: list[Tree]) -> Tree:
        """Return the fields that are no matter of the router: of requests before a service is asked, of files."""
        auth = route.policies.auth
        mutations: Tree = {}
        if auth is not None and auth.forward is not None and auth.forward.copy_headers:
            # What the service says nothing of must not be the client's own word.
            mutations["request_mutations"] = [{"remove": name.lower()} for name in auth.forward.copy_headers]
        if answered:
            mutations["response_mutations"] = answered
        if not mutations:
            return {}
        name = self._plain("fields", "header_mutation", "HeaderMutation", mutations={})
        return {name: typed("extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute", mutations=mutations)}

    def of_folder(self, path: str, folder: str) -> Tree:
        """Return what a route says of which whole paths are looked for in a folder."""
        return self._files(PathMatch(value=path), Static(root=folder, strip_prefix=False))

    def _files(self, path: PathMatch, files: Static) -> Tree:
        if files.root is None:
            return {}  # one file is read at start, and is the route's own answer
        asked = unquote(path.value) if path.type != "regex" else "/"
        if path.type == "prefix" and files.strip_prefix:
            below = f"{files.root}/" if asked.endswith("/") else files.root
        else:
            below = f"{files.root}{asked}"
        name = self._plain("files", "file_server", "FileServerConfig", manager_config={"thread_pool": {}})
        return {name: typed(
            "extensions.filters.http.file_server.v3.FileServerConfig",
            manager_config={"thread_pool": {}},
            path_mappings=[{"request_path_prefix": asked, "file_path_prefix": below}],
            content_types=CONTENT_TYPES,
            default_content_type="application/octet-stream",
            directory_behaviors=[{"default_file": "index.html"}],
        )}  # fmt: skip

    def of_site(self, limit: RateLimit | None) -> Tree:
        """Return what a site says to the filters for all of its routes: a bound that they share."""
        return {self._limit_filter(): _limit(limit)} if limit is not None and self.gate.can("rate_limit") else {}

    def _plain(self, step: str, name: str, message: str, **fields: Any) -> str:
        """Add a filter that does nothing until a route says what."""
        made = http_filter(name, message, **fields)
        made["name"] = f"{made['name']}.{step}" if step in ("maintenance", "allow", "fields") else made["name"]
        if fields:
            made["disabled"] = True
        self._made.setdefault(step, [Shared(made)])
        return str(made["name"])

    def _one_of(self, step: str, made: Tree) -> Tree:
        """Add a filter with settings of its own, which routes switch on; the same settings are one filter."""
        name = made.pop("name")
        known = self._made.setdefault(step, [])
        found = next((one for one in known if one["typed_config"] == made["typed_config"]), None)
        if found is None:
            found = Shared({"name": f"{name}.{len(known)}", "disabled": True, **made})
            known.append(found)
        return {found["name"]: typed("config.route.v3.FilterConfig", config={})}

    def _limit_filter(self) -> str:
        return self._plain("rate_limit", "local_ratelimit", "LocalRateLimit", stat_prefix="rate_limit")

    def _rate_limit(self, route: ResolvedRoute) -> Tree:
        limit = route.policies.rate_limit
        if not self.gate.can("rate_limit") or "routes" not in route.policy_paths.get("rate_limit", ()):
            return {}
        name = self._limit_filter()
        return {name: typed("config.route.v3.FilterConfig", disabled=True) if limit is None else _limit(limit)}

    def _auth(self, auth: ForwardAuth, upstream: ResolvedUpstream, route: ResolvedRoute) -> Tree:
        timeouts = route.policies.timeouts
        cluster = self.clusters.name(upstream, self.clusters.kind(upstream), timeouts.connect)
        patience = "3600s" if timeouts.response_head.is_off else duration(timeouts.response_head)
        copied = [{"exact": name.lower(), "ignore_case": True} for name in auth.copy_headers]
        service: Tree = {
            "server_uri": {"uri": f"http://{cluster}", "cluster": cluster, "timeout": patience}, "path_override": auth.path,
        }  # fmt: skip
        if copied:
            service["authorization_response"] = {"allowed_upstream_headers": {"patterns": copied}}
        every = {"patterns": [{"safe_regex": {"regex": ".*"}}]}
        hops = {"patterns": [{"exact": name} for name in _OF_ONE_HOP]}
        asked = http_filter("ext_authz", "ExtAuthz", http_service=service, allowed_headers=every, disallowed_headers=hops)
        said = self._one_of("auth", asked)
        return said

    def _compression(self, compression: Compression) -> Tree:
        said: Tree = {}
        able = [one for one in compression.encodings if self.gate.can(f"compression_{one}")]
        for encoding in able:
            library = extension(encoding, f"compression.{_LIBRARIES[encoding]}")
            common = {"min_content_length": compression.min_length.bytes, **_content_types(compression.types, self.gate)}
            options: Tree = {"response_direction_config": {"common_config": common}, "compressor_library": library}
            if encoding == able[0] and len(able) > 1:
                options["choose_first"] = True
            said.update(self._one_of("compress", http_filter("compressor", "Compressor", **options)))
        return said

    def _sticky(self, sticky: Sticky) -> Tree:
        cookie: Tree = {"name": sticky.cookie.name, "path": "/"}
        if sticky.cookie.secure:
            cookie["attributes"] = [{"name": "Secure"}]
        state = extension("envoy.http.stateful_session.cookie", "http.stateful_session.cookie.v3.CookieBasedSessionState", cookie=cookie)
        return self._one_of("sticky", http_filter("stateful_session", "StatefulSession", session_state=state))


def _content_types(types: tuple[str, ...], gate: Gate) -> Tree:
    """Return which content types are compressed: compared as they stand before 1.40, which can match."""
    if gate.version.numbers < (1, 40, 0):
        kinds = [kind for written in types for kind in (_TEXTS if written == "text/*" else (written,))]
        return {"content_type": list(dict.fromkeys(kinds))}
    return {"content_type_matcher": [{"prefix": kind[:-1]} if kind.endswith("/*") else {"exact": kind} for kind in types]}


def _clients(networks: tuple[str, ...]) -> Tree:
    """Return the principal that is a client from one of these networks, as trusted proxies name it."""
    return {"or_ids": {"ids": [{"remote_ip": one} for one in cidrs(networks)]}}


def _access(action: str, policy: str, principal: Tree) -> Tree:
    rules = {"action": action, "policies": {policy: {"permissions": [{"any": True}], "principals": [principal]}}}
    return typed("extensions.filters.http.rbac.v3.RBACPerRoute", rbac={"rules": rules})


def _cors(cors: Cors) -> Tree:
    said: Tree = {"allow_origin_string_match": [{"exact": origin} for origin in cors.origins]}
    said["allow_methods"] = ", ".join(cors.methods)
    if cors.headers:
        said["allow_headers"] = ", ".join(cors.headers)
    if cors.expose:
        said["expose_headers"] = ", ".join(cors.expose)
    said["max_age"] = str(int(cors.max_age.seconds))
    if cors.credentials:
        said["allow_credentials"] = True
    return typed("extensions.filters.http.cors.v3.CorsPolicy", **said)


def _limit(limit: RateLimit) -> Tree:
    """Return a bucket for each client: it holds a request and the burst, and is filled at the rate."""
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    fill = f"{limit.rate.seconds}s"
    return typed(
        "extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="rate_limit",
        status={"code": limit.status},
        token_bucket={"max_tokens": _UNLIMITED, "tokens_per_fill": _UNLIMITED, "fill_interval": fill},
        filter_enabled=always,
        filter_enforced=always,
        rate_limits=[{"actions": [{"remote_address": {}}]}],
        descriptors=[{
            "entries": [{"key": "remote_address"}],
            "token_bucket": {"max_tokens": limit.burst + 1, "tokens_per_fill": limit.rate.requests, "fill_interval": fill},
        }],
        max_dynamic_descriptors=_MAX_CLIENTS,
    )  # fmt: skip
