"""Where nginx listens and how it is encrypted there, whether for requests or for bytes."""

from __future__ import annotations

from proxyconf.proxies.nginx.plan import NOTHING, Tls
from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.listeners import Tls as Wanted
from proxyconf.syntax.nginx import literal
from proxyconf.syntax.words import Raw

__all__ = ["listens", "tls_of"]

# Mozilla's guidelines, version 5.7 (https://ssl-config.mozilla.org/guidelines/5.7.json).
_INTERMEDIATE = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
    ":ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384"
    ":DHE-RSA-CHACHA20-POLY1305"
)
_OLD = (
    f"{_INTERMEDIATE}:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
    ":ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA256"
    ":DHE-RSA-AES256-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA"
)
_PROFILES = {
    "modern": ("TLSv1.3", ""),
    "intermediate": ("TLSv1.2 TLSv1.3", _INTERMEDIATE),
    "old": ("TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", _OLD),
}


def tls_of(tls: Wanted, at: int) -> Tls:
    """Return how a server with the certificate number `at` is encrypted."""
    pair = tls.certificates[at]
    protocols, ciphers = _PROFILES[tls.profile]
    auth = tls.client_auth
    verify = {"none": "", "optional": "optional", "require": "on"}[auth.mode]
    ca = literal(auth.ca) if auth.ca else NOTHING
    return Tls(literal(pair.cert), literal(pair.key), Raw(protocols), Raw(ciphers), ca, Raw(verify))


def listens(address: ListenAddress) -> tuple[str, ...]:
    """Return an address as `listen` reads it; every address of the machine is two."""
    if address.host == "":
        return str(address.port), f"[::]:{address.port}"
    return (str(address),)
