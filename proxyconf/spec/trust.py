"""Who may speak for the client, and in which words."""

from __future__ import annotations

from typing import Literal

from proxyconf.spec.fields import FieldName, Many, Model, Trusted

__all__ = ["NETWORK_SETS", "Forwarded", "RequestId", "Trust", "expanded"]

# Published at https://www.cloudflare.com/ips/; as of 2026-11.
NETWORK_SETS: dict[str, tuple[str, ...]] = {
    "private": (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
    ),
    "loopback": ("127.0.0.0/8", "::1"),
    "cloudflare": (
        "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18", "108.162.192.0/18",
        "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15", "104.16.0.0/13",
        "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22", "2400:cb00::/32", "2606:4700::/32", "2803:f800::/32",
        "2405:b500::/32", "2405:8100::/32", "2a06:98c0::/29", "2c0f:f248::/32",
    ),
    "any": ("0.0.0.0/0", "::/0"),
}  # fmt: skip


def expanded(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the networks behind names, each once, in the order they were written."""
    return tuple(dict.fromkeys(item for name in names for item in NETWORK_SETS.get(name, (name,))))


class Forwarded(Model):
    """In which words the proxy tells the app server who the client is; always set, never appended."""

    dialect: Literal["x-forwarded", "rfc7239"] = "x-forwarded"
    """`x-forwarded`: X-Forwarded-*. `rfc7239`: Forwarded."""
    fields: Many[Literal["for", "proto", "host", "port", "prefix", "real-ip"]] = ("for", "proto", "host")
    """Which of them; all others that a client sends are removed."""


class RequestId(Model):
    """A name for every request."""

    header: FieldName = "X-Request-ID"
    """The field, to the app server and to the client."""
    accept_from_trusted: bool = True
    """Whether a trusted proxy's is kept."""


class Trust(Model):
    """Who may speak for the client."""

    trusted_proxies: Many[Trusted] = ()
    """Proxies in front of this one that are believed; networks, or `private`, `loopback`, `cloudflare`, `any`."""
    client_address: Literal["x-forwarded-for", "forwarded", "cf-connecting-ip", "x-real-ip", "proxy-protocol"] = (
        "x-forwarded-for"
    )
    """Where they name the client."""
    forwarded: Forwarded = Forwarded()
    """In which words this proxy names the client to the app server."""
    request_id: RequestId | None = None
    """A name for every request. Default: none is made."""
