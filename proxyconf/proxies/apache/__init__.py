"""Apache httpd: a site as httpd.conf."""

from proxyconf.proxies.apache.proxy import PROXY

__all__ = ["PROXY"]
