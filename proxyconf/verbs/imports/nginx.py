"""nginx.conf as a site file: listeners, upstreams, sites."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from proxyconf.verbs.imports.draft import Data, Draft, duration, laid_over, seconds_of
from proxyconf.verbs.imports.locations import routes
from proxyconf.verbs.imports.settings import IMPLIED, forwarded, policies
from proxyconf.verbs.imports.statements import Statement, parsed

__all__ = ["drafted"]

_BALANCING = {"least_conn": "least_conn", "random": "random", "ip_hash": "client_ip"}
_REDIRECT = re.compile(r"https://(?P<name>[^/$]+|\$host|\$server_name|\$http_host)(?::[0-9]+)?(?:\$request_uri|\$uri)?")
# A wildcard of one label, which `*.` is not in nginx; crossplane leaves backslashes doubled within quotes.
_ONE_LABEL = re.compile(r"~\^\[\^\.\]\+((?:\\{1,2}\.[A-Za-z0-9_-]+)+)\$")
_ACME = "/.well-known/acme-challenge"


def drafted(path: Path) -> tuple[Draft, Statement]:
    """Return what a file says, and its statements: those that nobody has read are not in the draft. Raises `NotReadable`."""
    top, remarks = parsed(path)
    draft = Draft("nginx", remarks=remarks)
    http = top.first("http") or top
    http.read()
    user = top.value("user")
    draft.target |= {"user": user} if user else {}
    for one in top:
        if one.name in IMPLIED or (one.name == "map" and one.args[0] == "$http_upgrade"):
            for inner in one:
                inner.read()
    for one in http.all("upstream"):
        _upstream(one, draft)
    _trust(http, draft)
    common = policies(http)
    common.pop("log", None)  # off for all is what a site file says without `logging`
    for server in http.all("server"):
        _server(server, common, draft)
    _redirects(http, draft)
    _unused(http, draft)
    return draft, top


def _unused(http: Statement, draft: Draft) -> None:
    """Leave out upstreams that no route names; their blocks are not in the site file, then."""
    used = {route.get("upstream") for site in draft.sites for route in (site, *site["routes"])}
    for one in http.all("upstream"):
        if one.args[0] in draft.upstreams and one.args[0] not in used:
            del draft.upstreams[one.args[0]]
            one.is_read = False


def _upstream(block: Statement, draft: Draft) -> None:
    servers: list[str | Data] = []
    for one in block.all("server"):
        if one.block is not None or not one.args:
            continue
        address, *words = one.read().args
        if not address.startswith("unix:") and not re.search(r":[0-9]+$", address):
            address += ":80"
        weight = next((word.partition("=")[2] for word in words if word.startswith("weight=")), None)
        servers.append({"address": address, "weight": int(weight)} if weight and weight.isdigit() else address)
    made: Data = {"servers": servers}
    for one in block.block or ():
        if one.name in _BALANCING:
            one.read()
            made["load_balancing"] = _BALANCING[one.name] if one.name != "ip_hash" else {"hash": {"key": "client_ip"}}
        elif one.name == "keepalive":
            one.read()
        elif one.name == "keepalive_timeout":
            with suppress(ValueError):  # stays unread, and is listed
                idle = duration(seconds_of(one.args[0]))
                one.read()
                made |= {"connections": {"idle_timeout": idle}} if idle != "1m" else {}
    if servers:
        block.read()
        draft.upstreams[block.args[0]] = made


def _trust(http: Statement, draft: Draft) -> None:
    fields = forwarded(http)
    if fields:
        draft.trust["forwarded"] = {"fields": fields}
    networks = [one for one in http if one.name == "set_real_ip_from" and one.args != ["unix:"]]
    by = next((one for one in http if one.name == "real_ip_header"), None)
    if networks and (by is None or by.args[0].lower() in ("x-forwarded-for", "proxy_protocol", "cf-connecting-ip", "x-real-ip")):
        draft.trust["trusted_proxies"] = list(dict.fromkeys(one.read().args[0] for one in networks))
        if by is not None:
            word = by.read().args[0].lower().replace("_", "-")
            draft.trust |= {"client_address": word} if word != "x-forwarded-for" else {}
    for one in http:
        if one.name == "real_ip_recursive":
            one.read()


def _server(server: Statement, common: Data, draft: Draft) -> None:
    names = [_hostname(name) for one in server.all("server_name") for name in one.args if name not in ("_", "")]
    refuses = server.first("return")
    if not names and refuses is not None and refuses.args[0][:1] == "4" and not server.all("location"):
        # Strangers are refused: what site files mean without a word.
        for one in server:
            one.read()
        _listeners(server, draft)
        return
    on = _listeners(server, draft)
    if _redirects_all(server) is not None:
        return
    server.read()
    found = policies(server)
    own = laid_over(common, found)
    limits = {"request_body": "1MiB", **own.pop("limits", {})}  # nginx's default
    own["limits"] = {key: value for key, value in limits.items() if (key, value) != ("request_body", "100MiB")}
    site: Data = {"hostnames": [name for one in names for name in one] or "any", "listeners": on, **own}
    for one in server.all("server_name"):
        if all(_hostname(name) for name in one.args):
            one.read()
    made = routes(server, draft)
    last = made[-1] if made else {}
    hsts = next((route.pop("hsts") for route in made if "hsts" in route), None)
    site |= {"hsts": hsts} if hsts else {}
    if last.keys() == {"path", "upstream"} and last["path"] == "/":
        site["upstream"] = made.pop()["upstream"]
    elif not any(route.get("path") == "/" for route in made) and (root := server.first("root")):
        made.append({"path": "/", "static": {"root": root.args[0].rstrip("/") or "/"}})
    if made or "upstream" in site:
        draft.sites.append({**site, "routes": made})
    else:
        server.is_read = False


def _hostname(name: str) -> list[str]:
    one_label = _ONE_LABEL.fullmatch(name)
    if one_label is not None:
        return ["*" + one_label[1].replace("\\", "")]
    if name.startswith("~"):
        return []
    return [name[1:], f"*{name}"] if name.startswith(".") else [name]


def _listeners(server: Statement, draft: Draft) -> list[str]:
    """Return the names of the listeners of a server, those that are new put into the draft."""
    names: list[str] = []
    found = server.all("listen")
    for one in found:
        address, *words = one.args
        if address.startswith("unix:"):
            continue
        host, port = _address(address)
        secured = "ssl" in words or "quic" in words
        standard = {(80, False): "http", (443, True): "https"}
        name = standard.get((port, secured), f"{'https' if secured else 'http'}-{port}")
        made = draft.listeners.setdefault(name, {"address": []})
        text = f"{host}:{port}"
        if text not in made["address"]:
            made["address"].append(text)
        if "quic" in words:
            made["protocols"] = ["h3", "h2", "http1"]
        if "proxy_protocol" in words:
            networks = list(draft.trust.get("trusted_proxies", []))
            made["proxy_protocol"] = {"accept": "v2", "from": networks}
        if secured:
            _secure(server, one, made)
        names += [name] if name not in names else []
        one.read()
    if not found:
        draft.listeners.setdefault("http", {"address": [":80"]})
        names.append("http")
    return names


def _address(text: str) -> tuple[str, int]:
    """Read `80`, `*:80`, `[::]:80`, `127.0.0.1:8080`, `127.0.0.1`; no host is every address."""
    host, colon, port = text.rpartition(":")
    if text.isdigit():
        return "", int(text)
    if not colon or not port.isdigit():
        host, port = text, "80"
    return ("" if host in ("*", "0.0.0.0", "[::]", "") else host), int(port)


def _secure(server: Statement, listen: Statement, made: Data) -> None:
    tls = made.setdefault("tls", {})
    certificate, key = server.inherited("ssl_certificate"), server.inherited("ssl_certificate_key")
    if certificate is not None and key is not None:
        pair = {"cert": certificate.read().args[0], "key": key.read().args[0]}
        known = tls.setdefault("certificates", [])
        if not any(one["cert"] == pair["cert"] for one in known):
            given = [name for one in server.all("server_name") for name in one.args if name not in ("_", "") and name[0] != "."]
            names = [host for name in given for host in _hostname(name)]
            known.append({**pair, "hostnames": names} if known and names else pair)
    protocols = server.inherited("ssl_protocols")
    if protocols is not None:
        words = set(protocols.read().args)
        profile = "modern" if words == {"TLSv1.3"} else "old" if words & {"TLSv1", "TLSv1.1"} else "intermediate"
        tls |= {"profile": profile} if profile != "intermediate" else {}
    http2 = server.inherited("http2")
    if "http2" in listen.args or (http2 is not None and http2.args == ["on"]):
        if made.get("protocols") == ["http1"]:
            del made["protocols"]
    elif len(tls.get("certificates", [])) <= 1 and "quic" not in listen.args:
        made.setdefault("protocols", ["http1"])


def _redirects_all(server: Statement) -> str | None:
    """Return where a server sends everybody, by https: a name, or a variable for the same one; None: it does something else."""
    root = next((one for one in server.all("location") if one.args == ["/"]), None)
    for block in (server, root, *server.all("if")):
        back = block.first("return") if block is not None else None
        match = _REDIRECT.fullmatch(back.args[-1]) if back is not None else None
        if match and back is not None and back.args[0] in ("301", "302", "307", "308"):
            return match["name"]
    return None


def _redirects(http: Statement, draft: Draft) -> None:
    """Make of servers that send everybody on a listener's redirect, or another name of a site."""
    for server in http.all("server"):
        where = _redirects_all(server)
        if where is None:
            continue
        on = _listeners(server, draft)
        names = [name for one in server.all("server_name") for name in one.args if name not in ("_", "")]
        target = next((site for site in draft.sites if where in site["hostnames"]), None)
        secured = any("tls" in draft.listeners[name] for name in on)
        others = [name for name in names if name != where]
        if target is not None and others and where not in names:
            target["hostnames"] = list(dict.fromkeys([*target["hostnames"], *others]))
            target["canonical"] = where
        elif secured:
            continue
        taken = {name for site in draft.sites for name in site["listeners"]}
        for name in on:
            if name not in taken and "tls" not in draft.listeners[name]:
                draft.listeners[name]["redirect"] = "https"
                _acme(server, draft.listeners[name])
        if secured or not taken & set(on):
            for one in server:
                if one.name != "location" or not one.args[-1].startswith("/.") or one.is_read:
                    one.read()


def _acme(server: Statement, listener: Data) -> None:
    place = next((one for one in server.all("location") if one.args[-1].rstrip("/") == _ACME), None)
    root = place.first("root") if place else None
    if place is not None and root is not None:
        listener["acme_webroot"] = root.args[0].rstrip("/")
        for one in place:
            one.read()
