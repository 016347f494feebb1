"""HAProxy: a site as haproxy.cfg."""

from proxyconf.proxies.haproxy.proxy import PROXY

__all__ = ["PROXY"]
