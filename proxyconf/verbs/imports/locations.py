"""nginx's locations as routes: their matches, in the order of a first match, and what answers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxyconf.spec.upstreams import SCHEMES
from proxyconf.verbs.imports.draft import Data, Draft, Remark, laid_over, seconds_of
from proxyconf.verbs.imports.settings import policies
from proxyconf.verbs.imports.statements import Statement

__all__ = ["anchored", "routes"]

_SCHEMES = {"http": "http1", "https": "h2", "grpc": "grpc", "grpcs": "grpcs"}
_REST = ("$request_uri", "$uri")


def routes(server: Statement, draft: Draft) -> list[Data]:
    """Return the routes of a server; what is not understood stays unread."""
    named = {one.args[0]: one for one in server.all("location") if len(one.args) == 1 and one.args[0].startswith("@")}
    found = []
    for location in _ordered(server):
        if location.is_read:
            continue  # the page of an error
        route = _match(location)
        answer = _answer(location, named, draft, route.get("path", "")) if route else None
        if route is None or answer is None:
            continue
        if location.read().args[0] == "~*":
            draft.remarks.append(Remark(location.file, location.line, f"{location} (in the site file, case counts)"))
        found.append(laid_over(laid_over(route, policies(location)), answer))
    return found


def _ordered(server: Statement) -> Iterator[Statement]:
    """Yield locations so that the first match is the one that nginx takes: exact, `^~`, expressions, the longest prefix."""
    plain: list[Statement] = []
    decided: list[Statement] = []
    expressions: list[Statement] = []
    for one in server.all("location"):
        kind = one.args[0]
        if len(one.args) == 1:
            plain += [] if kind.startswith("@") else [one]
        elif kind == "=":
            yield one
        else:
            (decided if kind == "^~" else expressions).append(one)
    first = [one.args[1] for one in decided]
    # A longer plain prefix below a `^~` wins against it.
    below = [one for one in plain if any(one.args[0].startswith(path) for path in first)]
    yield from sorted((*decided, *below), key=lambda one: -len(one.args[-1]))
    yield from expressions
    yield from sorted((one for one in plain if one not in below), key=lambda one: -len(one.args[0]))


def _match(location: Statement) -> Data | None:
    *kinds, value = location.args
    kind = kinds[0] if kinds else ""
    if kind == "=":
        return {"file": value}
    if kind in ("", "^~"):
        return {"path": value} if value.startswith("/") else None
    expression = anchored(value)
    return {"regex": expression} if expression else None


def anchored(expression: str) -> str:
    """Return an expression that says the same and begins with `^/`, as those of site files do; empty if it takes more than that."""
    if expression.startswith("^/"):
        return expression
    if not expression.startswith("^"):
        return f"^/.*{expression}"
    if expression.startswith("^.*"):
        return f"^/{expression[1:]}"
    group = re.fullmatch(r"\^(\((?:\?:)?)(/[^()|]*(?:\|/[^()|]*)*)(\).*)", expression)
    if group is None:
        return ""
    return f"^/{group[1]}{'|'.join(one[1:] for one in group[2].split('|'))}{group[3]}"


def _answer(location: Statement, named: dict[str, Statement], draft: Draft, prefix: str) -> Data | None:
    if (back := location.first("return")) is not None:
        return _returned(back, prefix)
    passed = location.first("proxy_pass", "grpc_pass")
    if passed is not None:
        return _passed(passed, location, draft, prefix)
    return _files(location, named, draft, prefix)


def _returned(back: Statement, prefix: str) -> Data | None:
    code, *rest = back.args
    if not code.isdigit():
        code, rest = "302", [code]
    text = rest[0] if rest else ""
    if code in ("301", "302", "303", "307", "308"):
        target = text.replace("$scheme://$host", "").replace("$scheme://$http_host", "")
        keeps = next((word for word in _REST if target.endswith(word)), "")
        target = target.removesuffix(keeps) if keeps else target
        if "$" in target or (keeps and prefix not in ("/", "")):
            return None
        back.read()
        return {"redirect": {"to": target if not keeps else f"{target}/", "status": int(code), **({"keep_rest": True} if keeps else {})}}
    if "$" in text or code == "444":
        return None
    back.read()
    kind = back.parent.value("default_type") if back.parent else None
    body = {"body": text} if text else {}
    return {"respond": {"status": int(code), **body, **({"content_type": kind} if kind and kind != "text/plain" else {})}}


def _passed(passed: Statement, location: Statement, draft: Draft, prefix: str) -> Data | None:
    reference, path = _upstream(passed, draft)
    if reference is None:
        return None
    passed.read()
    made: Data = {"upstream": reference}
    rewritten = location.first("rewrite")
    if path and prefix:
        made["replace_prefix"] = path
    elif rewritten is not None and prefix and not path:
        match = re.fullmatch(r"\^?" + re.escape(prefix) + r"?\(\.\*\)\$?", rewritten.args[0])
        if match and rewritten.args[1:] == ["/$1", "break"]:
            rewritten.read()
            made["replace_prefix"] = "/"
    if made.get("replace_prefix") == prefix:
        del made["replace_prefix"]
    told = next((one for one in location.all("proxy_set_header") if one.args[0].lower() == "x-forwarded-prefix"), None)
    if told is not None and "replace_prefix" in made and told.args[1].rstrip("/") == prefix.rstrip("/"):
        told.read()
        made["tell_prefix"] = True
    return made


def _upstream(passed: Statement, draft: Draft) -> tuple[str | None, str]:
    """Return the name of the upstream that is passed to, and the path that takes the prefix's place."""
    scheme, mark, rest = passed.args[0].partition("://")
    if not mark:
        scheme, rest = "grpc", passed.args[0]
    if scheme not in _SCHEMES or "$" in rest:
        return None, ""
    if rest.startswith("unix:"):
        address, _, path = rest.removeprefix("unix:").partition(":")
        address = f"unix:{address}"
    else:
        address, slash, path = rest.partition("/")
        path = slash + path
    protocol = _protocol(scheme, passed)
    if protocol is None:
        return None, ""
    if address in draft.upstreams:
        known = draft.upstreams[address]
        if known.setdefault("protocol", protocol) == protocol:
            return address, path
        # The same servers in another protocol are another upstream.
        name = f"{address}-{protocol}"
        draft.upstreams.setdefault(name, {**known, "protocol": protocol})
        return name, path
    if not address.startswith("unix:") and not re.search(r":[0-9]+$", address):
        address += ":443" if scheme.endswith("s") else ":80"
    assert protocol in SCHEMES
    return f"{protocol}://{address}", path


def _protocol(scheme: str, passed: Statement) -> str | None:
    version = passed.parent.inherited("proxy_http_version") if passed.parent else None
    is_http2 = version is not None and version.args[0] in ("2", "2.0")
    if scheme == "http":
        return "h2c" if is_http2 else "http1"
    # HTTP/1.1 over TLS is no protocol of site files: what is passed that way is left to a person.
    return _SCHEMES[scheme] if scheme != "https" or is_http2 else None


def _files(location: Statement, named: dict[str, Statement], draft: Draft, prefix: str) -> Data | None:
    alias, root = location.first("alias"), location.first("root") or location.inherited("root")
    source = alias or root
    if source is None or "$" in source.args[0]:
        return None
    source.read()
    folder = source.args[0] if len(source.args[0]) == 1 else source.args[0].rstrip("/")
    if location.first("internal") is not None:
        for one in location.all("internal"):
            one.read()
        below = folder if alias else f"{folder}{prefix}".rstrip("/")
        return {"internal": {"root": below}}
    tried = location.first("try_files")
    if tried is not None and tried.args[-1] == "=404":
        tried.read()
        tried = None
    if "file" in _match_of(location):
        return {"static": {"file": folder if alias else f"{folder}{location.args[-1]}", **_cached(location)}}
    static: Data = {"root": folder}
    if not alias and prefix != "/":
        static["strip_prefix"] = False
    if location.value("gzip_static") == "on":
        static["precompressed"] = ["gzip"]
    static |= _cached(location)
    made: Data = {"static": static}
    if tried is None:
        return made
    last = tried.args[-1]
    if last in named:
        passed = named[last].first("proxy_pass", "grpc_pass")
        reference = _upstream(passed, draft)[0] if passed else None
        if passed is None or reference is None:
            return None
        for one in (tried, named[last], passed):
            one.read()
        made = laid_over(policies(named[last]), {"static": {**static, "fallback": "upstream"}, "upstream": reference})
    return made


def _match_of(location: Statement) -> Data:
    return _match(location) or {}


def _cached(location: Statement) -> Data:
    expires = location.first("expires")
    control = next((one for one in location.all("add_header") if one.args[0].lower() == "cache-control" and len(one.args) > 1), None)
    if control is not None and "$" not in control.args[1]:
        control.read()
        location.block = [one for one in location.block or [] if one is not control]
        if expires is not None:
            expires.read()
        return {"cache_control": "immutable" if "immutable" in control.args[1] else control.args[1]}
    if expires is None:
        return {}
    word = expires.args[0]
    if word in ("max", "epoch", "off"):
        expires.read()
        return {"max": {"cache_control": "immutable"}, "epoch": {"cache_control": "no-cache"}, "off": {}}[word]
    try:
        seconds = seconds_of(word)
    except ValueError:
        return {}
    expires.read()
    return {"cache_control": f"max-age={int(seconds)}"}
