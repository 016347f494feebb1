"""All probes on real proxies with hand-written configurations, and each probe failing where its claim is spoiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyconf.verify.outcome import Verdict
from tests.interop.verify_targets import TARGETS, Target, tried

BY_NAME = {target.name: target for target in TARGETS}
# What a configuration does not promise; the reasons are the subject's.
SKIPPED = {
    "caddy": {"past-proxy", "hop-tls", "proxy-header", "request-trailers", "websocket-http2", "stop-server"},
    "nginx": {"past-proxy", "hop-tls", "proxy-header", "request-trailers", "websocket-http2", "stop-server", "health-check"},
    "haproxy": {"past-proxy", "hop-tls", "proxy-header", "body-limit", "body-limit-streamed", "stop-server"},
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.slow
def test_every_claim_holds_on_a_right_configuration(target: Target, tmp_path: Path) -> None:
    results = tried(target, tmp_path)
    assert {name: result.text for name, result in results.items() if result.verdict is Verdict.FAILED} == {}
    assert {name for name, result in results.items() if result.verdict is Verdict.SKIPPED} == SKIPPED[target.name]


ERASING = "\trequest_header -X-Forwarded-*\n\trequest_header -Forwarded\n\trequest_header -X-Real-IP\n"
APPENDING = "X-Forwarded-For $proxy_add_x_forwarded_for"
# Edits of a right configuration, with the probes that each must fail; those of one run do not touch each other.
SPOILED: dict[str, dict[tuple[str, str], tuple[str, ...]]] = {
    "caddy-messages": {
        (ERASING, ""): ("spoofing",),
        ("flush_interval -1", "response_buffers 1MiB"): ("events",),
        ("max_size 1MiB", "max_size 2MiB"): ("body-limit", "body-limit-streamed"),
        ("response_header_timeout 1s", "response_header_timeout 4s"): ("response-timeout",),
        ("rewrite * /new{uri}", "rewrite * /newer{uri}"): ("prefix",),
        ("@HTTPS@{uri} 308", "@HTTPS@/ 308"): ("redirect",),
        ("health_uri /healthz", "health_status 2xx"): ("health-check",),
        ("header Upgrade websocket", "header Upgrade nothing"): ("websocket",),
        ("grace_period 10s", "grace_period 100ms"): ("stop-proxy",),
    },
    "caddy-hop": {
        ("versions h2c", "versions 1.1"): ("hop-protocol", "hop-parallel"),
        ("flush_interval -1", "request_buffers 1MiB"): ("streamed-request",),
        ("respond 421", "reverse_proxy h2c://127.0.0.1:@ONE@"): ("unknown-host",),
    },
    "caddy-edge": {
        ("tls cert.pem cert.pem.key", "tls cert.pem cert.pem.key {\n\t\talpn http/1.1\n\t}"): ("edge-http2",),
    },
    "caddy-grpc": {
        ("header Content-Type application/grpc*", "header Content-Type nothing"): ("grpc-error",),
    },
    "nginx": {
        ("worker_shutdown_timeout 30s", "worker_shutdown_timeout 200ms"): ("reload", "stop-proxy"),
        ("early_hints 1;", ""): ("early-hints",),
        ("proxy_pass_trailers on;", ""): ("trailers",),
        ("proxy_set_header Host $http_host;", "proxy_set_header Host app;"): ("host",),
        ("X-Forwarded-For $remote_addr", APPENDING): ("spoofing",),
        ("server_name shop.test;\n", "server_name shop.test; underscores_in_headers on;\n"): ("spoofing-underscore",),
        ("if ($route = grpc) { return 419; }", ""): ("grpc-error",),
    },
    "haproxy": {
        ("http-request set-uri %[ssl_fc,iif(https,http)]://%[req.hdr(host)]%[pathq]", ""): ("scheme",),
        ("http-request del-header _ -m sub", ""): ("spoofing-underscore",),
    },
}


@pytest.mark.parametrize("run", SPOILED)
def test_claims_fail_on_a_spoiled_configuration(run: str, tmp_path: Path) -> None:
    target, probes = BY_NAME[run.partition("-")[0]], set[str]()
    for (old, new), failing in SPOILED[run].items():
        target = target.edited(old, new)
        probes.update(failing)
    results = tried(target, tmp_path, *probes)
    assert set(results) == probes
    assert {probe: result.text for probe, result in results.items() if result.verdict is not Verdict.FAILED} == {}
