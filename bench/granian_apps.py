"""The applications on the road for granian, whose forwarding is a wrapper that the application puts on."""

from __future__ import annotations

import apps
from granian.utils.proxies import wrap_asgi_with_proxy_headers

road = wrap_asgi_with_proxy_headers(apps.road, trusted_hosts="127.0.0.1")
client = wrap_asgi_with_proxy_headers(apps.client, trusted_hosts="127.0.0.1")
