"""A Caddyfile as a site file, by `caddy adapt`: the real program's own view of it.

The JSON has no lines; a remark's line is the first in the Caddyfile that begins with the directive.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proxyconf.document.findings import SiteError
from proxyconf.output.files import read
from proxyconf.programs.run import output
from proxyconf.spec.read import load
from proxyconf.verbs.imports.caddyroutes import Reader
from proxyconf.verbs.imports.draft import Data, Draft, Remark, duration, size
from proxyconf.verbs.site import rendered

__all__ = ["drafted"]

_NANO = 1_000_000_000
_SHORT = {
    "rewrite": ("uri", "handle_path", "try_files", "php_fastcgi"), "respond": ("redir", "abort", "php_fastcgi"),
    "basic_auth": ("basicauth",), "reverse_proxy": ("forward_auth",),
}  # fmt: skip
_SERVER = frozenset({
    "listen", "routes", "tls_connection_policies", "automatic_https", "protocols", "idle_timeout", "max_header_bytes",
    "read_header_timeout",
    "read_idle_timeout", "write_idle_timeout", "read_timeout", "write_timeout", "trusted_proxies", "trusted_proxies_strict",
    "client_ip_headers", "logs", "listener_wrappers",
})  # fmt: skip


def drafted(path: Path) -> Draft:
    """Return what a Caddyfile says. Raises `ProgramFault`, `ProgramMissing`."""
    draft = Draft("caddy")
    lines = read(path).decode("utf-8", "replace").splitlines()
    config = adapted(path)
    reader = Reader(draft)
    servers: dict[str, Any] = config.get("apps", {}).get("http", {}).get("servers", {})
    for server in servers.values():
        _server(server, config, draft, reader)
    _implicit_redirect(servers, draft)
    if draft.upstreams or draft.sites:
        same = _rendered_again(draft, path.name)
        for directive, what, given in reader.unread:
            if json.dumps(given, sort_keys=True) not in same:
                draft.remarks.append(Remark(str(path), _line(lines, directive, given), what))
    for name in config.get("apps", {}):
        if name not in ("http", "tls", "pki"):
            draft.remarks.append(Remark(str(path), _line(lines, name), f"app {name}"))
    return draft


def adapted(path: Path) -> dict[str, Any]:
    """Return a Caddyfile as Caddy's JSON."""
    found: dict[str, Any] = json.loads(output(("caddy", "adapt", "--adapter", "caddyfile", "--config", str(path))) or b"null") or {}
    return found


def _server(server: Data, config: Data, draft: Draft, reader: Reader) -> None:
    sockets = [address for address in server.get("listen", []) if address.startswith(("unix/", "fd/"))]
    if sockets:
        reader.unread.append(("bind", f"a site on {', '.join(sockets)}", sockets))
        return
    name = _listener(server, config, draft)
    for key in server.keys() - _SERVER:
        reader.unread.append((key, f"server option {key}", server[key]))
    if server.get("trusted_proxies", {}).get("ranges"):
        draft.trust["trusted_proxies"] = server["trusted_proxies"]["ranges"]
    common: Data = {}
    if limit := server.get("max_header_bytes"):
        common |= {"limits": {"request_headers": size(limit)}} if size(limit) != "32KiB" else {}
    if idle := server.get("idle_timeout"):
        common |= {"timeouts": {"client_idle": duration(idle / _NANO)}} if idle != 75 * _NANO else {}
    redirects = False
    for route in server.get("routes", []):
        hosts = [host for match in route.get("match", []) for host in match.get("host", [])]
        sub = [one for handler in route.get("handle", []) for one in (handler.get("routes") or [{"handle": [handler]}])]
        if _sends_to_https(sub):
            redirects = True
            continue
        if not hosts and _refuses(sub):
            continue
        narrowed = [rest for match in route.get("match", []) if (rest := {key: match[key] for key in match if key != "host"})]
        if narrowed:  # an address with a path: example.org/api/*
            sub = [{"match": narrowed, "handle": [{"handler": "subroute", "routes": sub}]}]
        site: Data = {"hostnames": hosts or "any", "listeners": [name], **common}
        reader.site(site, sub)
        _put(site, draft)
    if redirects and not any(name in site["listeners"] for site in draft.sites):
        draft.listeners[name]["redirect"] = "https"


def _put(site: Data, draft: Draft) -> None:
    """Add a site, or the listener to one that says the same."""
    for known in draft.sites:
        if {**known, "listeners": 0} == {**site, "listeners": 0}:
            known["listeners"] += site["listeners"]
            return
        if (known["hostnames"], known["listeners"]) == (site["hostnames"], site["listeners"]) and "upstream" not in known:
            known["routes"] += site["routes"]
            known |= {"upstream": site["upstream"]} if "upstream" in site else {}
            return
    if "upstream" in site or site["routes"]:
        draft.sites.append(site)


def _listener(server: Data, config: Data, draft: Draft) -> str:
    addresses = [address.removeprefix("tcp/") for address in server.get("listen", [":443"])]
    ports = {int(address.rpartition(":")[2]) for address in addresses if address.rpartition(":")[2].isdigit()}
    port = min(ports, default=443)
    secured = port == 443 or "tls_connection_policies" in server
    name = {(443, True): "https", (80, False): "http"}.get((port, secured), f"{'https' if secured else 'http'}-{port}")
    made: Data = {"address": addresses}
    spoken = server.get("protocols", ["h1", "h2", "h3"])
    protocols = [word for key, word in (("h3", "h3"), ("h2", "h2"), ("h1", "http1")) if key in spoken]
    if secured:
        made |= {"protocols": protocols} if protocols != ["h2", "http1"] else {}
        made["tls"] = _tls(server, config)
    draft.listeners[name] = made
    return name


def _tls(server: Data, config: Data) -> Data:
    tls = config.get("apps", {}).get("tls", {})
    files = tls.get("certificates", {}).get("load_files", [])
    names: dict[str, list[str]] = {}
    for policy in server.get("tls_connection_policies", []):
        for tag in policy.get("certificate_selection", {}).get("any_tag", []):
            names.setdefault(tag, []).extend(policy.get("match", {}).get("sni", []))
    wanted = [one for one in files if not names or any(tag in names for tag in one.get("tags", []))]
    if wanted:
        pairs: list[Data] = []
        for one in wanted:
            of = [name for tag in one.get("tags", []) for name in names.get(tag, [])]
            pair = {"cert": one["certificate"], "key": one["key"]}
            pairs.append({**pair, "hostnames": of} if len(wanted) > 1 and of else pair)
        return {"certificates": pairs}
    issuers = [one for policy in tls.get("automation", {}).get("policies", []) for one in policy.get("issuers", [])]
    if any(one.get("module") == "internal" for one in issuers):
        return {"issuer": "internal"}
    emails = [one["email"] for one in issuers if one.get("email")]
    return {"issuer": "automatic", **({"acme": {"email": emails[0]}} if emails else {})}


def _implicit_redirect(servers: Data, draft: Draft) -> None:
    """Caddy redirects port 80 by itself wherever it gets the certificates by itself."""
    automatic = any(
        not server.get("automatic_https", {}).get("disable") and not server.get("automatic_https", {}).get("disable_redirects")
        for server in servers.values()
    )
    if automatic and "https" in draft.listeners and "http" not in draft.listeners:
        draft.listeners["http"] = {"address": [":80"], "redirect": "https"}


def _leaves(routes: list[Data]) -> Iterator[Data]:
    for route in routes:
        for handler in route.get("handle", []):
            if handler.get("handler") == "subroute":
                yield from _leaves(handler.get("routes", []))
            else:
                yield handler


def _sends_to_https(routes: list[Data]) -> bool:
    answers = [one for one in _leaves(routes) if one.get("handler") == "static_response"]
    place = answers[0].get("headers", {}).get("Location", [""])[0] if len(answers) == 1 else ""
    return place.startswith("https://{http.request.host}")


def _refuses(routes: list[Data]) -> bool:
    leaves = list(_leaves(routes))
    return len(leaves) == 1 and (leaves[0].get("abort") is True or str(leaves[0].get("status_code", "")).startswith("4"))


def _rendered_again(draft: Draft, source: str) -> set[str]:
    """Return what the site file would be rendered to, as the JSON of each handler."""
    try:
        file = load("site.yaml", draft.text(source).encode(), {})
    except SiteError:
        return set()
    files = rendered(file, ["caddy"]).bundles["caddy"].files
    if not files:
        return set()
    with tempfile.TemporaryDirectory(prefix="proxyconf-") as folder:
        path = Path(folder, "Caddyfile")
        path.write_text(files["Caddyfile"], encoding="utf-8")
        return set(_parts(adapted(path)))


def _parts(value: object) -> Iterator[str]:
    """Yield every part of a configuration as text."""
    yield json.dumps(value, sort_keys=True)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _parts(one)


def _line(lines: list[str], directive: str, given: object = None) -> int:
    """Return where a directive, or one that stands for it, is written: the line that has most of its words; else the first."""
    names = (directive, *_SHORT.get(directive, ()))
    found = [at for name in names for at, line in enumerate(lines, 1) if name in line.split()]
    words = set(_words(given))
    return max(found, key=lambda at: sum(word in lines[at - 1] for word in words), default=1)


def _words(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _words(one)
    elif isinstance(value, str) and len(value) > 1:
        yield value
