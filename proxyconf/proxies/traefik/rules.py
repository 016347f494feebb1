"""Rules: which requests a router takes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from proxyconf.spec.routes import Match, PathMatch
from proxyconf.syntax.traefik import go_string

__all__ = ["ANYTHING", "HAD_TLS", "IS_WEBSOCKET", "all_of", "any_of", "from_peers", "longer_than", "of_hosts", "of_match"]

ANYTHING = 'PathPrefix("/")'
HAD_TLS = 'Header("X-Forwarded-Proto", "https")'
"""What only a trusted proxy can say: Traefik writes it anew for everybody else, before it looks at rules."""
# RFC 3986, section 2.2, and the percent sign itself.
_RESERVED = re.compile("%(2[13456789ABCF]|3[ABDF]|40|5[BD])", re.IGNORECASE)
IS_WEBSOCKET = 'HeaderRegexp("Upgrade", "(?i)^websocket$")'


def call(matcher: str, *words: str) -> str:
    """Return one condition."""
    return f"{matcher}({', '.join(map(go_string, words))})"


def any_of(conditions: Iterable[str]) -> str:
    """Return a condition of which one part is enough."""
    parts = list(conditions)
    return parts[0] if len(parts) == 1 else f"({' || '.join(parts)})"


def all_of(*conditions: str) -> str:
    """Return a condition of which every part is needed; empty ones are left out."""
    return " && ".join(condition for condition in conditions if condition) or ANYTHING


def longer_than(limit: int) -> str:
    """Return the condition that a request says that its body is longer than it may be."""
    digits = str(limit)
    numbers = [f"[1-9][0-9]{{{len(digits)},}}"]
    for at, digit in enumerate(digits):
        if digit != "9":
            more = len(digits) - at - 1
            numbers.append(f"{digits[:at]}[{int(digit) + 1}-9]" + (f"[0-9]{{{more}}}" if more else ""))
    return call("HeaderRegexp", "Content-Length", f"^0*({'|'.join(numbers)})$")


def of_hosts(names: Iterable[str]) -> str:
    """Return the condition of a site; empty if it stands for every name."""
    parts = [
        call("HostRegexp", rf"(?i)^[^.]+{re.escape(name[1:])}$") if name.startswith("*.") else call("Host", name) for name in names
    ]
    return any_of(parts) if parts else ""


def from_peers(networks: Iterable[str]) -> str:
    """Return the condition that a peer, whoever it speaks for, has one of these addresses."""
    return any_of(call("ClientIP", network) for network in networks)


def of_match(match: Match) -> str:
    """Return the condition of a route; empty if it takes everything."""
    parts = [_of_path(match.path)]
    if match.methods:
        parts.append(any_of(call("Method", method) for method in match.methods))
    parts += [call("Header", name, value) for name, value in match.headers.items()]
    parts += [call("Query", name, value) for name, value in match.query.items()]
    return " && ".join(part for part in parts if part)


def _routed(path: str) -> str:
    """Return a path as rules see it: decoded, but for the characters that have a meaning of their own."""
    return unquote(_RESERVED.sub(lambda found: f"%25{found[1].upper()}", path))


def _of_path(path: PathMatch) -> str:
    """Return the condition on the path; Traefik's own prefix is one of text, "/x" takes "/xy" too."""
    if path.type == "exact":
        return call("Path", _routed(path.value))
    if path.type == "regex":
        return call("PathRegexp", path.value)
    if path.value == "/":
        return ""
    value = _routed(path.value)
    below = call("PathPrefix", f"{value.removesuffix('/')}/")
    return below if value.endswith("/") else any_of([call("Path", value), below])
