"""A site file moved to this machine, and what it promises: read from the text, nothing is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyconf.facts.gate import Gate
from proxyconf.facts.table import Version
from proxyconf.facts.target import Target
from proxyconf.proxies.registry import proxy
from proxyconf.spec.deployment import Deployment, Forward
from proxyconf.spec.read import load
from proxyconf.spec.units import Duration, Size
from proxyconf.verify.certificates import Certificates
from proxyconf.verify.promises import NothingToAsk, listener_subject, subject
from proxyconf.verify.relocate import BODY_LIMIT, RESPONSE_HEAD, Relocation
from proxyconf.verify.subject import Feature, Prefix, Subject

CERTIFICATES = Certificates(Path("/x/ca.pem"), Path("/x/cert.pem"), Path("/x/key.pem"))
PRODUCTION = """
listeners:
  http: {address: ":80", redirect: https}
  https: {address: ["192.0.2.7:443", "[::]:443"], public_port: 443, tls: {certificates: [{cert: /etc/c.pem, key: /etc/k.pem}]}}
upstreams:
  app: {servers: ["unix:/run/app.sock"], connections: {idle_timeout: 30s}}
  api: {protocol: http1, servers: ["api:8000", "api2:8000"]}
sites:
- hostnames: [shop.test]
  upstream: app
  limits: {request_body: 512KiB}
  routes:
  - {path: /api/, upstream: api}
  - {path: /hooks/, upstream: "h2c://hooks:9000"}
- hostnames: [other.test]
  upstream: app
"""


def moved(text: str) -> tuple[Deployment, Relocation]:
    file = load("site.yaml", text.encode(), {})
    relocation = Relocation(CERTIFICATES, Path("/t"))
    return relocation.deployment(file.spec), relocation


def promised(text: str, hostname: str = "") -> Subject:
    deployment, _ = moved(text)
    target = Target("caddy", Version.parse("2.11.7"))
    return subject(deployment, Gate(target, deployment.spec.policy), proxy("caddy").program, CERTIFICATES, hostname)


def test_every_listener_is_on_loopback_with_our_certificate() -> None:
    deployment, _ = moved(PRODUCTION)
    http, https = deployment.listeners
    assert {address.host for one in (http, https) for address in one.addresses} == {"127.0.0.1"}
    assert len({address.port for one in (http, https) for address in one.addresses}) == 3
    assert https.tls is not None
    assert [entry.cert for entry in https.tls.certificates] == ["/x/cert.pem"]
    assert http.redirect_port == https.addresses[0].port == https.public_port


def test_every_server_is_on_this_machine_and_stays_what_it_is() -> None:
    deployment, relocation = moved(PRODUCTION)
    reached = {upstream.name: [str(server.address) for server in upstream.options.servers] for upstream in deployment.upstreams}
    assert reached["app"] == ["unix:/t/0.sock"]
    assert [address.rpartition(":")[0] for address in reached["api"]] == ["127.0.0.1"] * 2
    assert len(reached) == 3
    assert {str(address) for address in relocation.servers.values()} == {address for found in reached.values() for address in found}
    idle = {upstream.name: upstream.options.connections.idle_timeout for upstream in deployment.upstreams}
    assert idle["app"] == Duration(30_000)


def test_the_same_server_is_the_same_afterwards() -> None:
    deployment, relocation = moved("sites: [{hostnames: [a.test], upstream: 'h2c://x:1', routes: [{path: /b/, upstream: 'http1://x:1'}]}]")
    assert len(relocation.servers) == 1
    assert len(deployment.upstreams) == 2


def test_long_bounds_come_down_and_short_ones_stay() -> None:
    deployment, relocation = moved(PRODUCTION)
    shop, other = deployment.sites
    assert {route.policies.limits.request_body for route in shop.routes} == {Size(512 * 1024)}
    assert other.policies.limits.request_body == BODY_LIMIT
    assert {route.policies.timeouts.response_head for site in deployment.sites for route in site.routes} == {RESPONSE_HEAD}
    assert sorted(relocation.scaled) == ["request_body 100MiB is 8MiB for this run", "timeouts request 1m is 3s for this run"]


def test_what_is_off_stays_off() -> None:
    site = "sites: [{hostnames: [a.test], upstream: 'h2c://x:1', limits: {request_body: unlimited}, timeouts: {request: off}}]"
    found = promised(site)
    assert found.lacks(frozenset({Feature.BODY_LIMIT, Feature.RESPONSE_TIMEOUT})) == "request_body: unlimited; request: off"


def test_the_widest_route_is_asked() -> None:
    found = promised(PRODUCTION)
    assert (found.base, found.hop, found.origins) == ("/", "HTTP/2", ("unix:/t/0.sock",))
    assert found.edge.hostname == "shop.test"
    assert promised(PRODUCTION, "other.test").edge.hostname == "other.test"


def test_a_route_of_its_own_is_asked_below_its_path() -> None:
    site = """
sites:
- hostnames: [a.test]
  routes:
  - {path: /old/, upstream: 'h2c://x:1', replace_prefix: /new/, tell_prefix: true}
  - {path: /api/v1, upstream: 'http1://y:1'}
"""
    found = promised(site)
    assert (found.base, found.hop) == ("/api/v1/", "HTTP/1.1")
    assert found.prefix == Prefix("/old/", "/new/", announced=True)


@pytest.mark.parametrize(
    "route",
    ["auth: {basic: {users_file: /run/u}}", "allow: [10.0.0.0/8]", "rate_limit: {key: client_ip, rate: 1/s}", "websocket: true"],
)
def test_a_route_that_is_not_open_to_everybody_is_not_asked(route: str) -> None:
    with pytest.raises(NothingToAsk, match="no route that forwards a whole path"):
        promised(f"sites: [{{hostnames: [a.test], routes: [{{path: /a/, upstream: 'h2c://x:1', {route}}}]}}]")


def test_a_name_of_no_site_is_said() -> None:
    with pytest.raises(NothingToAsk, match=r"the site nobody\.test has no route"):
        promised(PRODUCTION, "nobody.test")


@pytest.mark.parametrize(
    ("more", "feature", "reason"),
    [
        ("trust: {trusted_proxies: [loopback]}\n", Feature.FORWARDED, "clients of this machine are trusted proxies of this site"),
        ("trust: {forwarded: {dialect: rfc7239}}\n", Feature.FORWARDED, "no probe reads rfc7239 yet"),
        ("listeners: {https: {protocols: [http1]}}\n", Feature.HTTP2, "the listener does not offer HTTP/2"),
        ("listeners: {https: {}}\n", Feature.REDIRECT, "no listener redirects"),
    ],
)
def test_a_missing_feature_has_its_reason(more: str, feature: Feature, reason: str) -> None:
    found = promised(f"{more}sites: [{{hostnames: [a.test], upstream: 'h2c://x:1'}}]")
    assert feature not in found.features
    assert found.reasons[feature] == reason


def test_a_feature_that_the_proxy_lacks_names_it() -> None:
    found = promised("sites: [{hostnames: [a.test], upstream: 'h2c://x:1'}]")
    missing = [reason for reason in found.reasons.values() if "cannot" in reason]
    assert all(reason.startswith("caddy 2.11.7 cannot: ") for reason in missing)


def test_a_site_for_every_name_refuses_no_stranger() -> None:
    found = promised("sites: [{hostnames: any, upstream: 'h2c://x:1'}]")
    assert found.edge.hostname == "any-name.test"
    assert found.reasons[Feature.UNKNOWN_HOST] == "a site takes every name"


def test_routes_keep_what_they_do() -> None:
    deployment, _ = moved(PRODUCTION)
    actions = [route.action for route in deployment.sites[0].routes]
    assert [action.upstream.options.protocol for action in actions if isinstance(action, Forward)] == ["http1", "h2c", "h2c"]


def test_a_tls_upstream_has_a_name_and_the_runs_ca() -> None:
    site = """
upstreams: {app: {protocol: h2, servers: ["app.internal:8443"], tls: {ca: /etc/ca.pem}}, plain: {servers: ["b:1"]}}
sites:
- hostnames: [a.test]
  upstream: app
  routes: [{path: /u/, upstream: 'h2://other.internal:8443'}, {path: /p/, upstream: plain}]
"""
    deployment, _ = moved(site)
    found = {upstream.name: upstream.options for upstream in deployment.upstreams}
    secured = [options for options in found.values() if options.is_tls]
    assert len(secured) == 2
    assert {str(options.servers[0].address).partition(":")[0] for options in secured} == {"localhost"}
    assert [options.tls and options.tls.ca for options in secured] == ["/x/ca.pem"] * 2
    assert str(found["plain"].servers[0].address).startswith("127.0.0.1:")
    assert found["plain"].tls is None
    used = [route.action.upstream.options for route in deployment.sites[0].routes if isinstance(route.action, Forward)]
    assert [options.tls is not None for options in used] == [True, False, True]


def test_of_a_listener_that_passes_bytes_on_the_header_is_promised() -> None:
    deployment, _ = moved(
        """
listeners: {edge: {address: ":443", mode: tcp, upstream: app, tls: {certificates: [{cert: /etc/c.pem, key: /etc/k.pem}]}}}
upstreams: {app: {protocol: h2c, servers: ["10.0.0.1:8000"], proxy_protocol: {send: v2}}}
"""
    )
    made = listener_subject(deployment, Target("haproxy", Version.parse("3.2.0")), CERTIFICATES)
    assert made.features == {Feature.HTTP1, Feature.HTTP2, Feature.PROXY_PROTOCOL}
    assert (made.proxy_protocol, made.edge.tls, made.edge.connect_to) == (2, True, "127.0.0.1")
    assert made.origins == tuple(str(address) for address in [deployment.tcp_listeners[0].upstream.options.servers[0].address])
