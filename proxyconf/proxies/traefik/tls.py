"""Certificates and which TLS is spoken."""

from __future__ import annotations

from typing import Any

from proxyconf.proxies.traefik.plan import Tree
from proxyconf.spec.deployment import Deployment, ResolvedListener, ResolvedTcpListener
from proxyconf.spec.listeners import Tls

__all__ = ["options_name", "options_of", "tcp_options_name", "tls"]

# Mozilla's guidelines, version 5.7 (https://ssl-config.mozilla.org/guidelines/5.7.json), as far as Go has them.
_INTERMEDIATE = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)  # fmt: skip
_OLD = (
    *_INTERMEDIATE, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA",
)  # fmt: skip
_PROFILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "modern": ("VersionTLS13", ()), "intermediate": ("VersionTLS12", _INTERMEDIATE), "old": ("VersionTLS10", _OLD),
}  # fmt: skip
_CLIENTS = {"require": "RequireAndVerifyClientCert", "optional": "VerifyClientCertIfGiven"}


def options_of(listener: ResolvedListener) -> Tree:
    """Return what a listener's clients are offered."""
    assert listener.tls is not None
    return _options(listener.tls, [word for word, name in (("h2", "h2"), ("http/1.1", "http1")) if name in listener.options.protocols])


def tcp_options_name(listener: ResolvedTcpListener) -> str:
    """Return the name of the options of a listener that passes bytes on; no listener's name has a dot."""
    return f"tcp.{listener.name}"


def _options(tls: Tls, offered: list[str]) -> Tree:
    oldest, ciphers = _PROFILES[tls.profile]
    made: dict[str, Any] = {"minVersion": oldest}
    if ciphers:
        made["cipherSuites"] = list(ciphers)
    made["alpnProtocols"] = offered
    client_auth = tls.client_auth
    if client_auth.mode != "none":
        made["clientAuth"] = {"caFiles": [client_auth.ca], "clientAuthType": _CLIENTS[client_auth.mode]}
    return made


def options_name(deployment: Deployment, listener: ResolvedListener) -> str:
    """Return the name of a listener's options; `default` holds for a client before its name is known, too."""
    secured = [one for one in deployment.listeners if one.tls is not None]
    return "default" if options_of(listener) == options_of(secured[0]) else listener.name


def tls(deployment: Deployment) -> Tree:
    """Return everything about TLS that is read again when it changes."""
    secured = [listener for listener in deployment.listeners if listener.tls is not None]
    passing = [listener for listener in deployment.tcp_listeners if listener.tls is not None]
    if not secured and not passing:
        return {}
    pairs = dict.fromkeys(
        (pair.cert, pair.key) for one in deployment.all_listeners if one.tls is not None for pair in one.tls.certificates
    )
    files = [{"certFile": cert, "keyFile": key} for cert, key in pairs]
    made: Tree = {"options": {options_name(deployment, one): options_of(one) for one in secured}}
    made["options"] |= {tcp_options_name(one): _options(one.tls, list(one.protocols)) for one in passing if one.tls is not None}
    if files:
        made["certificates"] = files
        made["stores"] = {"default": {"defaultCertificate": files[0]}}
    return {"tls": made}
