"""All probes on real proxies with hand-written configurations, and each probe failing where its claim is spoiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyconf.verify.outcome import Verdict
from tests.interop.verify_targets import TARGETS, Target, tried

BY_NAME = {target.name: target for target in TARGETS}
# What a configuration does not promise; the reasons are the subject's.
SKIPPED = {
    "caddy": {"past-proxy", "proxy-header", "request-trailers", "websocket-http2", "stop-server"},
    "nginx": {"past-proxy", "proxy-header", "request-trailers", "websocket-http2", "stop-server", "health-check"},
    "haproxy": {"past-proxy", "proxy-header", "body-limit", "stop-server"},
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.slow
def test_every_claim_holds_on_a_right_configuration(target: Target, tmp_path: Path) -> None:
    results = tried(target, tmp_path)
    assert {name: result.text for name, result in results.items() if result.verdict is Verdict.FAILED} == {}
    assert {name for name, result in results.items() if result.verdict is Verdict.SKIPPED} == SKIPPED[target.name]


ERASING = "\trequest_header -X-Forwarded-*\n\trequest_header -Forwarded\n\trequest_header -X-Real-IP\n"
REFUSING = "respond 421"
ANYBODY = "reverse_proxy h2c://127.0.0.1:@ONE@"
SPOILED = [
    ("caddy", "versions h2c", "versions 1.1", ("hop-protocol", "hop-parallel")),
    ("caddy", ERASING, "", ("spoofing",)),
    ("caddy", "flush_interval -1", "response_buffers 1MiB", ("events",)),
    ("caddy", "flush_interval -1", "request_buffers 1MiB", ("streamed-request",)),
    ("caddy", "max_size 1MiB", "max_size 2MiB", ("body-limit",)),
    ("caddy", "response_header_timeout 2s", "response_header_timeout 9s", ("response-timeout",)),
    ("caddy", REFUSING, ANYBODY, ("unknown-host",)),
    ("caddy", "rewrite * /new{uri}", "rewrite * /newer{uri}", ("prefix",)),
    ("caddy", "@HTTPS@{uri} 308", "@HTTPS@/ 308", ("redirect",)),
    ("caddy", "health_uri /healthz", "health_status 2xx", ("health-check",)),
    ("caddy", "grace_period 10s", "grace_period 100ms", ("stop-proxy",)),
    ("caddy", "header Upgrade websocket", "header Upgrade nothing", ("websocket",)),
    ("caddy", "tls cert.pem key.pem", "tls cert.pem key.pem {\n\t\talpn http/1.1\n\t}", ("edge-http2",)),
    ("caddy", "header Content-Type application/grpc*", "header Content-Type nothing", ("grpc-error",)),
    ("nginx", "worker_shutdown_timeout 30s", "worker_shutdown_timeout 200ms", ("reload", "stop-proxy")),
    ("nginx", "early_hints 1;", "", ("early-hints",)),
    ("nginx", "proxy_pass_trailers on;", "", ("trailers",)),
    ("nginx", "proxy_set_header Host $http_host;", "proxy_set_header Host app;", ("host",)),
    ("nginx", "proxy_set_header X-Forwarded-For $remote_addr;", "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
     ("spoofing",)),
    ("nginx", "http2 on; server_name shop.test;", "http2 on; server_name shop.test; underscores_in_headers on;",
     ("spoofing-underscore",)),
    ("nginx", "if ($route = grpc) { return 419; }", "", ("grpc-error",)),
    ("haproxy", "http-request set-uri %[ssl_fc,iif(https,http)]://%[req.hdr(host)]%[pathq]", "", ("scheme",)),
    ("haproxy", "http-request del-header _ -m sub", "", ("spoofing-underscore",)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "probes"), SPOILED, ids=lambda value: "+".join(value) if isinstance(value, tuple) else None)
def test_a_claim_fails_on_a_spoiled_configuration(name: str, old: str, new: str, probes: tuple[str, ...], tmp_path: Path) -> None:
    results = tried(BY_NAME[name].edited(old, new), tmp_path, *probes)
    assert {probe: result.text for probe, result in results.items() if result.verdict is not Verdict.FAILED} == {}
