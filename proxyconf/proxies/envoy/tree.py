"""The words of Envoy's configuration that everything is built from: trees of plain data, as protobuf's JSON has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Any

from proxyconf.spec.units import Duration

__all__ = ["OVERWRITE", "Tree", "cidrs", "duration", "escaped", "exact", "extension", "header", "http_filter", "typed"]

Tree = dict[str, Any]
OVERWRITE = "OVERWRITE_IF_EXISTS_OR_ADD"


def typed(kind: str, **fields: Any) -> Tree:
    """Return a message with its type; `kind` is its name without `envoy.`."""
    return {"@type": f"type.googleapis.com/envoy.{kind}", **fields}


def extension(name: str, kind: str, **fields: Any) -> Tree:
    """Return an extension under a name."""
    return {"name": name, "typed_config": typed(f"extensions.{kind}", **fields)}


def http_filter(name: str, message: str, **fields: Any) -> Tree:
    """Return an HTTP filter under its usual name."""
    return extension(f"envoy.filters.http.{name}", f"filters.http.{name}.v3.{message}", **fields)


def duration(value: Duration) -> str:
    """Return a duration as protobuf writes it; `off` is 0s, which is Envoy's word for it too."""
    whole, rest = divmod(value.milliseconds, 1000)
    return f"{whole}.{rest:03}s" if rest else f"{whole}s"


def escaped(text: str) -> str:
    """Return a user's text for a field whose value is a format string."""
    return text.replace("%", "%%")


def header(name: str, value: str, action: str = OVERWRITE) -> Tree:
    """Return a field to add; its value is a format string."""
    return {"header": {"key": name.lower(), "value": value}, "append_action": action}


def exact(name: str, value: str) -> Tree:
    """Return the comparison of a field or parameter."""
    return {"name": name, "string_match": {"exact": value}}


def cidrs(networks: Iterable[str]) -> list[Tree]:
    """Return networks as Envoy writes them."""
    found: Sequence[Any] = [ip_network(text) for text in networks]
    return [{"address_prefix": str(one.network_address), "prefix_len": one.prefixlen} for one in found]
