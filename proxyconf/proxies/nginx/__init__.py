"""nginx: a site as nginx.conf."""

from proxyconf.proxies.nginx.proxy import PROXY

__all__ = ["PROXY"]
