"""Every feature that a site can ask for is asked for by some key; what no version of a proxy can is refused there."""

from __future__ import annotations

import pytest

from proxyconf.document.findings import Rule
from proxyconf.facts.gate import Gate
from proxyconf.facts.needs import judge, needs
from proxyconf.facts.table import capabilities, tables
from proxyconf.facts.target import Target
from proxyconf.spec.deployment import Deployment
from proxyconf.spec.read import load

TLS = "tls: {certificates: [{cert: /c.pem, key: /k.pem}]}"
SITE = """
listeners: {{http: {{redirect: https{http}}}, https: {{{tls}{https}}}}}
upstreams: {{app: {{protocol: h2c, servers: ["127.0.0.1:8000"]{upstream}}}}}
sites:
- hostnames: [shop.example.org]
  upstream: app{site}
{more}"""

# What asks for each feature: where in the site above, and what is written there.
ASKS: dict[str, tuple[str, str]] = {
    "http2_edge": ("https", ", protocols: [h2, http1]"), "http3_edge": ("https", ", protocols: [h3, h2, http1]"), "tls_files": ("tls", TLS),
    "tls_automatic": ("tls", "tls: {issuer: automatic}"), "tls_internal": ("tls", "tls: {issuer: internal}"),
    "tls_profiles": ("tls", TLS.replace("tls: {", "tls: {profile: modern, ")),
    "client_certificates": ("tls", TLS.replace("tls: {", "tls: {client_auth: {mode: require, ca: /ca.pem}, ")),
    "acme_webroot": ("http", ", acme_webroot: /www"), "proxy_protocol_in": ("https", ", proxy_protocol: {accept: v2, from: [10.0.0.1]}"),
    "trusted_proxies": ("more", "trust: {trusted_proxies: [private]}"), "https_redirect": ("http", ""), "unknown_host": ("site", ""),
    "forwarded_for_alone": ("more", "trust: {trusted_proxies: [private]}"),
    "client_address_forwarded": ("more", "trust: {trusted_proxies: [private], client_address: forwarded}"),
    "client_address_field": ("more", "trust: {trusted_proxies: [private], client_address: x-real-ip}"),
    "any_host": ("more", "- {hostnames: any, upstream: app}"),
    "h2c_upstream": ("upstream", ""), "h2_upstream": ("more", '- {hostnames: [b.example.org], upstream: "h2://127.0.0.1:9000"}'),
    "upstream_ca": ("upstream", ', protocol: h2, tls: {ca: /ca.pem}'),
    "http1_upstream": ("more", '- {hostnames: [b.example.org], upstream: "http1://127.0.0.1:9000"}'),
    "grpc_upstream": ("more", '- {hostnames: [b.example.org], upstream: "grpc://127.0.0.1:9000"}'),
    "unix_upstream": ("more", '- {hostnames: [b.example.org], upstream: "h2c://unix:/run/a.sock"}'),
    "weights": ("upstream", ', servers: [{address: "127.0.0.1:8000", weight: 2}]'), "resolve": ("upstream", ", resolve: 10s"),
    "lb_least_conn": ("upstream", ", load_balancing: least_conn"), "lb_random": ("upstream", ", load_balancing: random"),
    "lb_hash": ("upstream", ", load_balancing: {hash: {key: path}}"), "sticky_cookie": ("upstream", ", sticky: {}"),
    "max_connections": ("upstream", ", connections: {max: 9}"), "websocket_over_h2": ("upstream", ", websocket: over_h2"),
    "websocket_split": ("upstream", ", websocket: over_http1"),
    "websocket_http1": ("more", '- {hostnames: [b.example.org], routes: [{path: /, upstream: "http1://127.0.0.1:9000", websocket: true}]}'),
    "proxy_protocol_out_v1": ("upstream", ", proxy_protocol: {send: v1, i_accept: per-client-connections}"),
    "proxy_protocol_out_v2": ("upstream", ", proxy_protocol: {send: v2, i_accept: per-client-connections}"),
    "health_check_http": ("upstream", ", health_check: {path: /h}"), "health_check_tcp": ("upstream", ", health_check: {tcp: true}"),
    "outlier_detection": ("upstream", ", outlier_detection: {}"), "retries": ("upstream", ", retries: {}"), "forwarded_set": ("more", ""),
    "forwarded_rfc7239": ("more", "trust: {forwarded: {dialect: rfc7239}}"), "request_id": ("more", "trust: {request_id: {}}"),
    "early_hints": ("site", "\n  early_hints: pass"), "request_body_limit": ("site", "\n  limits: {request_body: 1MiB}"),
    "request_body_limit_by_route": ("site", "\n  routes: [{path: /a, upstream: app, limits: {request_body: 1MiB}}]"),
    "request_header_limit": ("site", "\n  limits: {request_headers: 8KiB}"), "timeout_connect": ("site", "\n  timeouts: {connect: 1s}"),
    "response_head_timeout": ("site", "\n  timeouts: {request: 1s}"), "timeout_client_idle": ("site", "\n  timeouts: {client_idle: 1s}"),
    "stream_idle": ("site", "\n  timeouts: {stream_idle: 1s}"), "timeout_tunnel": ("site", "\n  timeouts: {tunnel: 1s}"),
    "compression_gzip": ("site", "\n  compression: {encodings: [gzip]}"), "compression_br": ("site", "\n  compression: {encodings: [br]}"),
    "compression_zstd": ("site", "\n  compression: {encodings: [zstd]}"), "headers_set": ("site", "\n  headers: {response: {set: {X-A: b}}}"),
    "headers_default": ("site", "\n  headers: {response: {default: {X-A: b}}}"), "hsts": ("site", "\n  hsts: {}"),
    "canonical": ("more", "- {hostnames: [a.org, b.org], canonical: a.org, upstream: app}"), "cors": ("site", "\n  cors: {origins: ['*']}"),
    "maintenance": ("site", "\n  maintenance: {}"), "maintenance_page": ("site", "\n  maintenance: {file: /p}"),
    "error_pages": ("site", "\n  errors: {pages: [{statuses: [502], file: /p}]}"),
    "error_pages_any": ("site", "\n  errors: {pages: [{statuses: [502], file: /p}], from: any}"),
    "buffer_requests": ("site", "\n  buffering: {request: 'on'}"), "buffer_responses": ("site", "\n  buffering: {response: 'on'}"),
    "allow": ("site", "\n  allow: [10.0.0.1]"), "auth_basic": ("site", "\n  auth: {basic: {users_file: /u}}"),
    "auth_forward": ("site", "\n  auth: {forward: {upstream: app}}"), "rate_limit": ("site", "\n  rate_limit: {rate: 1/s}"),
    "log_off": ("site", "\n  log: 'off'"), "match_prefix": ("site", "\n  routes: [{path: /a, upstream: app}]"),
    "match_exact": ("site", "\n  routes: [{file: /a, upstream: app}]"), "match_regex": ("site", "\n  routes: [{regex: ^/a, upstream: app}]"),
    "match_methods": ("site", "\n  routes: [{match: {methods: [GET]}, upstream: app}]"),
    "match_headers": ("site", "\n  routes: [{match: {headers: {A: b}}, upstream: app}]"),
    "match_query": ("site", "\n  routes: [{match: {query: {a: b}}, upstream: app}]"),
    "static_files": ("site", "\n  routes: [{path: /a, static: {root: /s}}]"), "static_file": ("site", "\n  routes: [{file: /a, static: {file: /s}}]"),
    "static_precompressed": ("site", "\n  routes: [{path: /a, static: {root: /s, precompressed: [gzip]}}]"),
    "static_fallback": ("site", "\n  routes: [{path: /a, static: {root: /s, fallback: upstream}}]"),
    "internal_redirect": ("site", "\n  routes: [{path: /a, internal: {root: /s}}]"),
    "replace_prefix": ("site", "\n  routes: [{path: /a, upstream: app, replace_prefix: /}]"),
    "tell_prefix": ("site", "\n  routes: [{path: /a, upstream: app, replace_prefix: /, tell_prefix: true}]"),
    "redirect": ("site", "\n  routes: [{path: /a, redirect: {to: /b}}]"),
    "redirect_rest": ("site", "\n  routes: [{path: /a, redirect: {to: /b, keep_rest: true}}]"),
    "respond": ("site", "\n  routes: [{path: /a, respond: {}}]"), "log_json": ("more", "logging: {format: json}"),
    "log_combined": ("more", "logging: {format: combined}"), "metrics": ("more", 'metrics: {listen: "127.0.0.1:9"}'),
    "tracing": ("more", "tracing: {}"),
    "tcp_listener": ("http", '}, edge: {address: ":444", mode: tcp, upstream: "h2c://127.0.0.1:9000"'),
    "tcp_timeout_tunnel": ("http", '}, edge: {address: ":444", mode: tcp, timeouts: {tunnel: 1m}, upstream: "h2c://127.0.0.1:9000"'),
    "tcp_proxy_protocol_v1": ("http", "}, edge: {address: ':444', mode: tcp, upstream: passed"),
    "tcp_proxy_protocol_v2": ("http", "}, edge: {address: ':444', mode: tcp, upstream: passed"),
}  # fmt: skip
# What nobody asks for: it is so, or not; and what the target asks for itself.
UNASKED = {
    "gateway_timeout", "request_body_limit_streamed",
    "h2c_multiplexed", "underscore_fields_dropped", "response_trailers", "client_gone", "streaming", "admin_unix", "raw", "request_trailers",
    "websocket_from_h2", "control_characters_refused", "broken_responses", "http2_concurrency", "full_duplex", "tcp_tells_tls",
}  # fmt: skip


def asking(feature: str) -> Deployment:
    """Return a site that asks for a feature."""
    where, text = ASKS[feature]
    parts = {"http": "", "tls": TLS, "https": "", "upstream": "", "site": "", "more": "", where: text}
    # Its own servers come in the place of the site's.
    servers = 'servers: ["127.0.0.1:8000"]'
    site = SITE.replace(servers, "websocket: auto") if where == "upstream" and "servers:" in text else SITE
    if text.endswith("upstream: passed"):
        sent = feature.removeprefix("tcp_proxy_protocol_")
        passed = f"passed: {{{{protocol: h2c, servers: ['127.0.0.1:9000'], proxy_protocol: {{{{send: {sent}}}}}}}}}"
        site = site.replace("upstreams: {{", f"upstreams: {{{{{passed}, ")
    if "protocol:" in text and where == "upstream":
        site = site.replace("protocol: h2c, ", "")
    return load("s.yaml", site.format(**parts).encode(), {}).deployment


def test_every_feature_is_asked_for_or_a_fact() -> None:
    assert ASKS.keys() | UNASKED == capabilities().keys()
    assert not ASKS.keys() & UNASKED


@pytest.mark.parametrize("feature", ASKS)
def test_a_key_asks_for_its_feature_at_its_place(feature: str) -> None:
    asked = dict(needs(asking(feature)))
    assert feature in asked


@pytest.mark.parametrize(
    ("name", "feature"),
    [(name, row.capability) for name, table in tables().items() for row in table.rows.values() if row.since is None and row.capability in ASKS],
)
def test_what_no_version_can_is_refused(name: str, feature: str) -> None:
    gate = Gate(Target(name, tables()[name].newest))
    judge(asking(feature), gate)
    title = capabilities()[feature].title
    [said] = [finding for finding in gate.findings if f"cannot: {title};" in finding.message]
    assert said.rule is Rule.CANNOT
    assert "options: " in said.message
    assert said.path


def test_a_control_interface_is_asked_for_by_the_target() -> None:
    gate = Gate(Target("nginx", tables()["nginx"].newest, admin="unix:/run/nginx.sock", path=("targets", 0)))
    judge(asking("unknown_host"), gate)
    assert [finding.path for finding in gate.findings if "control interface" in finding.message] == [("targets", 0, "admin")]
