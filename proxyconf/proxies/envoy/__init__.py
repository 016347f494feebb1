"""Envoy."""

from proxyconf.proxies.envoy.proxy import PROXY

__all__ = ["PROXY"]
