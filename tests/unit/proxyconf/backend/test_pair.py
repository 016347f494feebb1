"""Both ends agree, or the pair is refused: limits, times, trust, prefix, and what each server understands."""

from __future__ import annotations

from typing import Any

import pytest

from proxyconf.backend.facts import Facts, facts
from proxyconf.backend.pair import advice, paired, render
from proxyconf.backend.presets import PRESETS
from proxyconf.facts.table import Version
from proxyconf.facts.target import Target
from proxyconf.spec.deployment import Deployment
from proxyconf.spec.read import load

CADDY, OLD_NGINX = Target("caddy", Version.parse("2.11.7")), Target("nginx", Version.parse("1.22.1"))
TRAEFIK = Target("traefik", Version.parse("3.7.15"))


def deployment(server: str = "", upstream: str = "protocol: h2c", site: str = "", more: str = "") -> Deployment:
    text = f"""
appserver: {{app: "shop.asgi:app"{server}}}
upstreams: {{app: {{{upstream}, servers: ["127.0.0.1:8000"]}}}}
sites: [{{hostnames: [shop.example], upstream: app{site}}}]
{more}"""
    return load("s.yaml", text.encode(), {}).deployment


def known(made: Deployment, *targets: Target) -> Facts:
    found, wrong = facts(made, targets or (CADDY,))
    assert found is not None, wrong
    return found


@pytest.mark.parametrize(
    ("made", "attribute", "value"),
    [
        (deployment(), "http1", True), (deployment(upstream="protocol: h2c, websocket: 'off'"), "http1", False),
        (deployment(upstream="protocol: grpc"), "http1", False), (deployment(upstream="protocol: http1"), "h2c", False),
        (deployment(site=", limits: {request_body: 1KiB}, routes: [{path: /up/, upstream: app, limits: {request_body: 5GiB}}]"),
         "body_bytes", 5 * 2**30),
        (deployment(site=", limits: {request_body: 1KiB}, routes: [{path: /up/, upstream: app, limits: {request_body: unlimited}}]"),
         "body_bytes", 0),
        (deployment(upstream="protocol: h2c, connections: {idle_timeout: 5m}"), "idle_seconds", 300.0),
        (deployment(site=", timeouts: {stream_idle: 'off'}"), "silence_seconds", 0.0),
        (deployment(", drain: 5s"), "stop_seconds", 15.0), (deployment(", drain: 5s, stop_grace: 1m"), "stop_seconds", 60.0),
        (deployment(", trust: [10.0.0.2, unix]"), "trust", ("10.0.0.2", "unix")),
    ],
)  # fmt: skip
def test_what_the_proxys_side_means_for_the_server(made: Deployment, attribute: str, value: Any) -> None:
    assert getattr(known(made), attribute) == value


def test_http1_comes_where_a_proxy_goes_without_h2c() -> None:
    made = deployment(upstream="protocol: h2c, websocket: 'off'")
    assert known(made, OLD_NGINX).http1
    assert not known(made, CADDY).http1


def test_proxies_in_front_are_trusted_where_their_chain_arrives() -> None:
    made = deployment(more="trust: {trusted_proxies: [10.0.0.0/8]}")
    assert known(made, CADDY).trust == ("127.0.0.1", "::1")
    assert known(made, CADDY, TRAEFIK).trust == ("127.0.0.1", "::1", "10.0.0.0/8")


def test_a_prefix_is_told_to_the_server_once() -> None:
    text = """
appserver: {app: "shop.asgi:app"}
upstreams: {app: {protocol: h2c, servers: ["127.0.0.1:8000"]}}
sites: [{hostnames: [shop.example], routes: [{path: /flower/, upstream: app, replace_prefix: /, tell_prefix: true}]}]
"""
    made = load("s.yaml", text.encode(), {}).deployment
    assert known(made).prefix == "/flower"
    assert 'root_path = "/flower"' in render(made, (CADDY,)).files["appserver.toml"]
    assert "  FORCE_SCRIPT_NAME = \"/flower\"" in advice(made, (CADDY,))


@pytest.mark.parametrize(
    ("server", "upstream", "words"),
    [
        (", server: uvicorn", "protocol: h2c", "uvicorn speaks no HTTP/2 in cleartext; write protocol: http1"),
        (", server: gunicorn", "protocol: grpc", "gunicorn speaks no HTTP/2"),
        (", server: granian", "protocol: http1, proxy_protocol: {send: v2}", "granian takes no PROXY header of v2"),
        (", drain: 1m, stop_grace: 30s", "protocol: h2c", "make stop_grace longer than drain"),
    ],
)
def test_pairs_that_cannot_work(server: str, upstream: str, words: str) -> None:
    made = render(deployment(server, upstream), (CADDY,))
    assert made.files == {}
    assert any(words in finding.message for finding in made.findings)


@pytest.mark.parametrize("name", PRESETS)
def test_a_server_is_started_for_the_site(name: str) -> None:
    made = paired(deployment(f", server: {name}, workers: 3, user: shop, directory: /srv/shop", "protocol: http1"), (CADDY,))
    unit = made.files["shop-asgi.service"]
    assert f"ExecStart=/usr/bin/env {name} " in unit
    assert "TimeoutStopSec=40\n" in unit
    assert "User=shop\nWorkingDirectory=/srv/shop\n" in unit


def test_what_the_application_must_not_do() -> None:
    made = deployment(", server: hypercorn", "protocol: http1")
    [remark] = [finding for finding in render(made, (OLD_NGINX,)).findings if "103" in finding.message]
    assert remark.message == "nginx 1.22.1 carries no 103 Early Hints; the application must not send them"
    assert not [finding for finding in render(made, (CADDY,)).findings if "103" in finding.message]


@pytest.mark.parametrize(
    ("site", "targets", "sent"),
    [
        ("", (CADDY,), True),
        ("", (OLD_NGINX,), False),
        ("", (CADDY, OLD_NGINX), False),
        (", early_hints: 'off'", (CADDY,), False),
        (", early_hints: pass", (CADDY,), True),
        (", routes: [{path: /a/, upstream: app, early_hints: 'off'}]", (CADDY,), False),
        (", early_hints: pass, routes: [{path: /a/, upstream: app, early_hints: 'off'}]", (CADDY,), True),
    ],
)
def test_our_server_sends_no_103_where_none_may_come(site: str, targets: tuple[Target, ...], sent: bool) -> None:
    made = render(deployment(site=site), targets)
    assert ("early_hints = false" not in made.files["appserver.toml"]) == sent
    assert not [finding for finding in made.findings if "103" in finding.message]


def test_clients_whose_bytes_are_passed_on_may_have_103() -> None:
    more = "listeners: {tls: {address: ':443', mode: tcp, upstream: app}}"
    text = f"""
appserver: {{app: "shop.asgi:app"}}
upstreams: {{app: {{protocol: http1, servers: ["127.0.0.1:8000"], proxy_protocol: {{send: v2}}}}}}
{more}"""
    made = render(load("s.yaml", text.encode(), {}).deployment, (Target("haproxy", Version.parse("3.2.0")),))
    assert "early_hints" not in made.files["appserver.toml"]


def test_an_application_behind_a_server_that_believes_nobody_is_told_itself() -> None:
    said = "\n".join(advice(deployment(", server: granian"), (CADDY,)))
    assert "SECURE_PROXY_SSL_HEADER" in said
    assert "ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=0, x_prefix=0)" in said
    assert "no SECURE_PROXY_SSL_HEADER" in "\n".join(advice(deployment(), (CADDY,)))


def _unit_of(server: str, address: str) -> tuple[list[str], list[str]]:
    text = f'appserver: {{app: "shop.asgi:app"{server}}}\nsites: [{{hostnames: [shop.example], upstream: "http://{address}"}}]\n'
    made = paired(load("s.yaml", text.encode(), {}).deployment, (CADDY,))
    return made.files["shop-asgi.service"].splitlines(), [finding.message for finding in made.findings]


def test_the_unit_starts_where_its_files_are() -> None:
    lines, said = _unit_of("", "127.0.0.1:8000")
    assert {"WorkingDirectory=/srv/shop", "Environment=PATH=/srv/shop/.venv/bin:/usr/local/bin:/usr/bin:/bin"} <= set(lines)
    assert any("write directory: /PATH under appserver" in message for message in said)
    lines, said = _unit_of(', directory: "/opt/a b"', "127.0.0.1:8000")
    assert {"WorkingDirectory=/opt/a b", 'Environment="PATH=/opt/a b/.venv/bin:/usr/local/bin:/usr/bin:/bin"'} <= set(lines)
    assert said == []


def test_the_proxy_may_open_the_socket() -> None:
    lines, said = _unit_of(", directory: /a, group: www-data", "unix:/run/shop/app.sock")
    assert {"Group=www-data", "UMask=0007", "RuntimeDirectory=shop", "RuntimeDirectoryMode=0750", "PrivateTmp=yes"} <= set(lines)
    assert said == []
    _, said = _unit_of(", directory: /a", "unix:/run/shop/app.sock")
    assert [message for message in said if "write group: under appserver" in message]


@pytest.mark.parametrize(
    ("path", "has", "lacks"),
    [("/tmp/app.sock", "UMask=0007", "PrivateTmp=yes"), ("/var/lib/shop/app.sock", "ReadWritePaths=/var/lib/shop", "RuntimeDirectory=shop")],
)
def test_a_socket_elsewhere(path: str, has: str, lacks: str) -> None:
    lines, _ = _unit_of("", f"unix:{path}")
    assert has in lines
    assert lacks not in lines


def test_a_socket_where_only_root_may_put_one() -> None:
    _, said = _unit_of("", "unix:/run/app.sock")
    assert any("such as /run/app/app.sock" in message for message in said)


@pytest.mark.parametrize(
    ("server", "reloads"),
    [("appserver", False), ("hypercorn", False), ("uvicorn", False), ("uvicorn, workers: 2", True), ("gunicorn", True), ("granian", True),
     ("h2corn", False), ("h2corn, workers: 4", True)],
)  # fmt: skip
def test_a_reload_that_would_end_the_server_is_not_offered(server: str, reloads: bool) -> None:
    lines, _ = _unit_of(f", server: {server}", "127.0.0.1:8000")
    assert ("ExecReload=/bin/kill -HUP $MAINPID" in lines) is reloads


def test_workers_that_nobody_starts_are_told() -> None:
    _, said = _unit_of(", workers: 4", "127.0.0.1:8000")
    assert any("'workers: 4'" in message for message in said)


def test_any_name_is_any_name_to_the_application() -> None:
    text = 'appserver: {app: "a:app"}\nsites: [{hostnames: any, upstream: "http://127.0.0.1:1"}, {hostnames: [b.example], upstream: "http://127.0.0.1:1"}]\n'
    assert "  ALLOWED_HOSTS = ['*']" in advice(load("s", text.encode(), {}).deployment, (CADDY,))
