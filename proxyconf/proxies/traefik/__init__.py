"""Traefik."""

from proxyconf.proxies.traefik.proxy import PROXY

__all__ = ["PROXY"]
