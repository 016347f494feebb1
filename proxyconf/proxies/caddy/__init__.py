"""Caddy: a site as a Caddyfile."""

from proxyconf.proxies.caddy.proxy import PROXY

__all__ = ["PROXY"]
