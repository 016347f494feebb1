"""Caddy's routes as routes of a site: matchers narrow, middleware adds up, and what answers ends one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from proxyconf.verbs.imports.draft import Data, Draft, duration, laid_over, size
from proxyconf.verbs.imports.locations import anchored

__all__ = ["Reader"]

_NANO = 1_000_000_000
_PROXY = frozenset({"handler", "upstreams", "transport", "load_balancing", "health_checks", "headers", "flush_interval", "rewrite"})
_TRANSPORT = frozenset({"protocol", "versions", "compression", "dial_timeout", "response_header_timeout", "keep_alive"})
_POLICIES = {"round_robin": "round_robin", "least_conn": "least_conn", "random": "random"}
_COMMON = ("limits", "timeouts", "compression", "headers")
# Where the name of a handler is not the directive's.
_DIRECTIVES = {
    "headers": "header", "static_response": "respond", "authentication": "basic_auth", "vars": "root", "error": "error",
    "subroute": "handle",
}  # fmt: skip


class Reader:
    """Reads the routes of sites; `unread` holds what is not understood: its directive, some words, the JSON."""

    def __init__(self, draft: Draft) -> None:
        self.unread: list[tuple[str, str, Any]] = []
        self._draft = draft

    def site(self, site: Data, routes: Iterable[Data]) -> None:
        """Fill in the routes of a site."""
        site["routes"] = []
        self._routes(routes, {}, {}, site)
        made = site["routes"]
        for key in _COMMON:
            if made and key in made[0] and all(route.get(key) == made[0][key] for route in made):
                # What every route says the site says.
                site[key] = laid_over(site.get(key, {}), made[0][key])
                for route in made:
                    del route[key]
        if made and made[-1].keys() == {"path", "upstream"} and made[-1]["path"] == "/":
            site["upstream"] = made.pop()["upstream"]

    def _routes(self, routes: Iterable[Data], match: Data, state: Data, site: Data) -> None:
        """`state` holds the policies, the folder (`root`) and the prefix that is cut off (`strip`) so far."""
        for route in routes:
            matches = [self._match(one, match) for one in route["match"]] if "match" in route else [match]
            handlers = route.get("handle", [])
            if any(one is None for one in matches):
                for handler in handlers:
                    self._unknown(handler, f"{self._directive(handler)} under a matcher that site files have no word for", route)
                continue
            # Middleware without a matcher holds for what follows; with one, for what stands in the same route.
            inner = state if "match" not in route else dict(state)
            for handler in handlers:
                self._handler(handler, [one for one in matches if one is not None], inner, site)

    def _handler(self, handler: Data, matches: list[Data], state: Data, site: Data) -> None:
        kind = handler.get("handler")
        if kind == "subroute":
            for match in matches:
                self._routes(handler.get("routes", []), match, dict(state), site)
            return
        if kind in ("reverse_proxy", "file_server", "static_response"):
            answer = {"reverse_proxy": self._proxied, "file_server": self._files, "static_response": self._answer}[kind](handler, state)
            if answer is None:
                self._unknown(handler, self._directive(handler), handler)
                return
            for match in matches:
                if any(_takes_all(route) for route in site["routes"]):
                    self._unknown(handler, f"{self._directive(handler)}: never reached, a route before it takes everything", handler)
                    return
                site["routes"].append(self._route(match, state, answer))
            return
        found = self._middleware(handler)
        if found is None:
            self._unknown(handler, self._directive(handler), handler)
            return
        for key, value in found.items():
            state[key] = laid_over(state[key], value) if isinstance(value, dict) and key in state else value
        if "hsts" in state:
            site["hsts"] = state.pop("hsts")

    def _unknown(self, handler: Data, what: str, given: object) -> None:
        self.unread.append((self._directive(handler), what, given))

    @staticmethod
    def _directive(handler: Data) -> str:
        """Return what it is called in a Caddyfile."""
        kind = str(handler.get("handler"))
        if handler.get("abort"):
            return "abort"
        is_php = handler.get("transport", {}).get("protocol") == "fastcgi"
        return "php_fastcgi" if is_php else _DIRECTIVES.get(kind, kind)

    def _route(self, match: Data, state: Data, answer: Data) -> Data:
        policies = {key: value for key, value in state.items() if key not in ("root", "strip")}
        head = dict(match) or {"path": "/"}
        if state.get("strip") and "upstream" in answer:
            answer = {**answer, "replace_prefix": "/"}
        return laid_over(laid_over(head, policies), answer)

    def _match(self, given: Data, around: Data) -> Data | None:
        """Return a matcher set as the head of a route; None if it says something that a site file has no word for."""
        if given.keys() - {"path", "path_regexp", "method", "header", "query"} or (len(given.get("path", [])) > 1 and around):
            return None
        head: Data = {}
        paths = given.get("path", [])
        if len(paths) > 1:
            expression = "|".join(_expression(path.removeprefix("/")) + ("" if path.endswith("*") else "$") for path in paths)
            head = {"regex": f"^/({expression})"}
        elif paths:
            head = _path(paths[0])
        elif "path_regexp" in given:
            pattern = given["path_regexp"]["pattern"]
            if not anchored(pattern):
                return None
            head = {"regex": anchored(pattern)}
        more: Data = {"methods": given["method"]} if "method" in given else {}
        for key, word in (("header", "headers"), ("query", "query")):
            if key in given:
                if any(len(values) != 1 or "*" in values[0] for values in given[key].values()):
                    return None
                more[word] = {name: values[0] for name, values in given[key].items()}
        head = head or around
        if not more:
            return head
        kind = {"path": "prefix", "file": "exact", "regex": "regex"}
        name = next(iter(head), None)
        place = {"path": {"type": kind[name], "value": head[name]}} if name in kind else {}
        return {"match": {**place, **more}} if name in (None, *kind) else None

    def _middleware(self, handler: Data) -> Data | None:
        kind = handler.get("handler")
        if kind == "vars" and handler.keys() == {"handler", "root"}:
            return {"root": handler["root"].rstrip("/") or "/"}
        if kind == "request_body" and handler.keys() == {"handler", "max_size"}:
            return {"limits": {"request_body": size(handler["max_size"])}} if handler["max_size"] != 100 << 20 else {"limits": {}}
        if kind == "encode":
            encodings = [word for word in ("zstd", "br", "gzip") if word in handler.get("encodings", {})]
            return {"compression": {"encodings": encodings}}
        if kind == "rewrite" and handler.keys() == {"handler", "strip_path_prefix"}:
            return {"strip": handler["strip_path_prefix"]}
        return _headers(handler) if kind == "headers" else None

    def _proxied(self, handler: Data, state: Data) -> Data | None:
        transport = handler.get("transport", {})
        dials = [one.get("dial", "") for one in handler.get("upstreams", [])]
        if not dials or any("{" in dial for dial in dials) or transport.get("protocol", "http") != "http" or "tls" in transport:
            return None
        for key in (handler.keys() - _PROXY) | (transport.keys() - _TRANSPORT):
            self.unread.append((key, f"reverse_proxy option {key}", handler.get(key, transport.get(key))))
        versions = transport.get("versions", [])
        protocol = "h2c" if "h2c" in versions else "http1"
        servers = ["unix:" + dial.removeprefix("unix/") if dial.startswith("unix/") else _with_port(dial) for dial in dials]
        made: Data = {"protocol": protocol, "servers": servers, **self._spread(handler)}
        idle = transport.get("keep_alive", {}).get("idle_timeout", 60 * _NANO)
        if idle != 60 * _NANO:
            made["connections"] = {"idle_timeout": duration(idle / _NANO)}
        answer: Data = {"upstream": self._named(made)}
        times = (("dial_timeout", "connect", 5), ("response_header_timeout", "request", 60))
        found = {word: duration(transport[key] / _NANO) for key, word, usual in times if transport.get(key, usual * _NANO) != usual * _NANO}
        answer |= {"timeouts": found} if found else {}
        for directive, part in (("header_up", "request"), ("header_down", "response")):
            for change, fields in handler.get("headers", {}).get(part, {}).items():
                for name in fields:
                    one = {name: fields[name]} if isinstance(fields, dict) else [name]
                    read = _headers({part: {change: one}})
                    if read is None:
                        self.unread.append((directive, f"{directive} {name}", one))
                    answer = laid_over(answer, read or {})
        return answer

    def _spread(self, handler: Data) -> Data:
        made: Data = {}
        policy = handler.get("load_balancing", {}).get("selection_policy", {}).get("policy")
        if policy in _POLICIES:
            made["load_balancing"] = _POLICIES[policy]
        elif policy in ("ip_hash", "client_ip_hash"):
            made["load_balancing"] = {"hash": {"key": "client_ip"}}
        elif policy:
            self.unread.append(("lb_policy", f"lb_policy {policy}", policy))
        active = handler.get("health_checks", {}).get("active", {})
        if active.get("uri", active.get("path")):
            times = {key: duration(active[key] / _NANO) for key in ("interval", "timeout") if key in active}
            made["health_check"] = {"path": active.get("uri", active.get("path")), **times}
        return made

    def _named(self, upstream: Data) -> str:
        for name, known in self._draft.upstreams.items():
            if known == upstream:
                return name
        name = "app" if not self._draft.upstreams else f"app{len(self._draft.upstreams) + 1}"
        self._draft.upstreams[name] = upstream
        return name

    def _files(self, handler: Data, state: Data) -> Data | None:
        root = handler.get("root", state.get("root"))
        if not root or "{" in root or "browse" in handler:
            return None
        static: Data = {"root": root}
        if not state.get("strip"):
            static["strip_prefix"] = False
        ready = [word for word in ("zstd", "br", "gzip") if word in handler.get("precompressed", {})]
        return {"static": {**static, **({"precompressed": ready} if ready else {})}}

    def _answer(self, handler: Data, state: Data) -> Data | None:
        code = str(handler.get("status_code", 200))
        status = int(code) if code.isdigit() else 0
        place = handler.get("headers", {}).get("Location", [""])[0]
        if place:
            keeps = place.endswith("{http.request.uri}")
            target = place.removesuffix("{http.request.uri}")
            if "{" in target or not target.startswith(("/", "http://", "https://")) or status not in (301, 302, 303, 307, 308):
                return None
            return {"redirect": {"to": target + ("/" if keeps else ""), "status": status, **({"keep_rest": True} if keeps else {})}}
        body = handler.get("body", "")
        if not status or "{" in body or handler.get("abort"):
            return None
        return {"respond": {"status": status or 200, **({"body": body} if body else {})}}


def _takes_all(route: Data) -> bool:
    return route.get("path") == "/"


def _headers(handler: Data) -> Data | None:
    """Read a `header` directive; None if a value has placeholders, or is replaced by an expression."""
    made: Data = {}
    for part in ("request", "response"):
        given = handler.get(part, {})
        if given.keys() - {"set", "add", "delete", "deferred", "require"} or given.get("require"):
            return None
        fields = {**given.get("set", {}), **given.get("add", {})}
        if any(len(values) != 1 or "{" in values[0] for values in fields.values()):
            return None
        if any(name.lower().startswith("x-forwarded") or name.lower() in ("host", "forwarded", "x-real-ip") for name in fields):
            return None
        age = next((values[0] for name, values in fields.items() if name.lower() == "strict-transport-security"), None)
        if age is not None:
            match = re.search(r"max-age=([1-9][0-9]*)", age)
            if match is None:
                return None
            subdomains = {"include_subdomains": True} if "includesubdomains" in age.lower() else {}
            made["hsts"] = {"max_age": duration(int(match[1])), **subdomains, **({"preload": True} if "preload" in age else {})}
        own = {name: values[0] for name, values in fields.items() if name.lower() != "strict-transport-security"}
        # What clients say of themselves is removed in any case.
        removed = [name for name in given.get("delete", []) if not name.lower().startswith(("x-forwarded", "forwarded", "x-real-ip"))]
        if any("*" in name for name in removed):
            return None
        found = {**({"set": own} if own else {}), **({"remove": removed} if removed else {})}
        if found:
            made = laid_over(made, {"headers": {part: found}})
    return made


def _path(path: str) -> Data:
    if path.endswith("/*"):
        return {"path": path[:-1]}
    if path.endswith("*") and "*" not in path[:-1]:
        return {"path": path[:-1]}
    return {"regex": f"^/{_expression(path.removeprefix('/'))}$"} if "*" in path else {"file": path}


def _expression(path: str) -> str:
    return ".*".join(re.escape(part) for part in path.split("*"))


def _with_port(dial: str) -> str:
    return dial if re.search(r":[0-9]+$", dial) else f"{dial}:80"
