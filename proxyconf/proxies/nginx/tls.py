"""Where nginx listens and how it is encrypted there, whether for requests or for bytes."""

from __future__ import annotations

from proxyconf.proxies.nginx.plan import NOTHING, Tls
from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.ciphers import INTERMEDIATE, OLD
from proxyconf.spec.listeners import Tls as Wanted
from proxyconf.syntax.nginx import literal
from proxyconf.syntax.words import Raw

__all__ = ["listens", "tls_of"]

# How Mozilla's profiles are written.
_PROFILES = {
    "modern": ("TLSv1.3", ""),
    "intermediate": ("TLSv1.2 TLSv1.3", ":".join(INTERMEDIATE)),
    "old": ("TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", ":".join(OLD)),
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
