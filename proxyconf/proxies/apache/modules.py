"""Which modules a configuration needs."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.facts.gate import Gate
from proxyconf.spec.deployment import Deployment, ServeFiles
from proxyconf.spec.policies import Policies
from proxyconf.syntax.words import Raw

__all__ = ["BUILT_IN", "modules"]

BUILT_IN = (Raw("unixd"), Raw("log_config"), Raw("watchdog"))
"""Inside on Debian, beside the others elsewhere."""
_ALWAYS = (
    "mpm_event", "authn_core", "authz_core", "authz_host", "alias", "env", "headers", "reqtimeout", "rewrite", "setenvif", "proxy",
    "proxy_http", "slotmem_shm", "proxy_balancer", "lbmethod_byrequests",
)  # fmt: skip


def modules(deployment: Deployment, gate: Gate, *, answers: bool) -> tuple[Raw, ...]:
    """Return their names in the order in which they are loaded."""
    return tuple(Raw(name) for name in dict.fromkeys((*_ALWAYS, *_asked(deployment, gate, answers))))


def _asked(deployment: Deployment, gate: Gate, answers: bool) -> Iterator[str]:
    if any(listener.tls for listener in deployment.listeners):
        yield from ("socache_shmcb", "ssl", "http2")
    upstreams = [upstream.options for upstream in deployment.upstreams]
    routes = [route for site in deployment.sites for route in site.routes]
    if any(one.is_grpc for one in upstreams) or any(route.match.grpc for route in routes):
        yield "proxy_http2"
    if any(one.load_balancing.policy == "least_conn" for one in upstreams):
        yield "lbmethod_bybusyness"
    if any(one.health_check for one in upstreams):
        yield "proxy_hcheck"
    if deployment.trusted_networks or any(listener.options.proxy_protocol for listener in deployment.listeners):
        yield "remoteip"
    logging = deployment.spec.logging
    if deployment.trust.request_id is not None or (logging and "request_id" in logging.fields):
        yield "unique_id"
    if answers:
        yield "asis"
    if any(isinstance(route.action, ServeFiles) for route in routes):
        yield "dir"
    if any(isinstance(route.action, ServeFiles) or _has_pages(route.policies) for route in routes):
        yield "mime"
    for route in routes:
        yield from _of_policies(route.policies, gate)


def _has_pages(policies: Policies) -> bool:
    return policies.errors is not None or (policies.maintenance is not None and policies.maintenance.file is not None)


def _of_policies(policies: Policies, gate: Gate) -> Iterator[str]:
    if policies.auth is not None and policies.auth.basic is not None:
        yield from ("auth_basic", "authn_file", "authz_user")
    if policies.compression is not None:
        yield "filter"
        for encoding, module in (("br", "brotli"), ("gzip", "deflate")):
            if encoding in policies.compression.encodings and gate.can(f"compression_{encoding}"):
                yield module
