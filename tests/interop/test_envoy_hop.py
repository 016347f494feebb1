"""What only Envoy has, and what only Envoy could get wrong."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxyconf.document.findings import Level
from proxyconf.facts.target import Target
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from tests.interop.hop import (
    REPOSITORY,
    SITE,
    Installed,
    Origin,
    Stacks,
    certificate,
    fields_of,
    free_port,
    origin,
    proves,
    stack,
    until,
)
from tests.interop.test_proxies import TRUSTING

UNFINISHED = "targets: [{proxy: envoy, modules: [work_in_progress]}]"


@proves("forwarded_set", proxies=("envoy",))
def test_clients_give_envoy_no_orders(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on)
    orders = [
        ("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "9"),
        ("x-envoy-internal", "true"), ("x-envoy-original-path", "/x"), ("x-lasthop-proto", "gopher"),
    ]  # fmt: skip
    answer = shop.ask("/slow", headers=orders)
    assert answer.status_code == 200
    assert fields_of(answer, "x-envoy") == {}
    believed = stacks.get(on, TRUSTING).ask("/slow", headers=orders, local="127.0.0.9")
    assert fields_of(believed, "x-envoy", "x-lasthop") == {}
    assert fields_of(believed, "x-forwarded-proto") == {"x-forwarded-proto": ["https"]}


@proves("trusted_proxies", proxies=("envoy",))
def test_a_chain_of_trusted_proxies_is_walked_from_the_right(on: Installed, stacks: Stacks) -> None:
    site = f'trust: {{trusted_proxies: ["127.0.0.9", "10.0.0.0/8"]}}{SITE}'
    answer = stacks.get(on, site).ask(headers=[("x-forwarded-for", "7.7.7.7, 192.0.2.7, 10.1.1.1")], local="127.0.0.9")
    assert fields_of(answer, "x-forwarded-for") == {"x-forwarded-for": ["192.0.2.7"]}


@proves("forwarded_rfc7239", "trusted_proxies", proxies=("envoy",))
def test_forwarded_names_an_ipv6_client_in_brackets(on: Installed, stacks: Stacks) -> None:
    site = f'trust: {{trusted_proxies: ["127.0.0.9"], forwarded: {{dialect: rfc7239}}}}{SITE}'
    shop = stacks.get(on, site)
    answer = shop.ask(headers=[("x-forwarded-for", "2001:db8::7"), ("forwarded", "for=7.7.7.7")], local="127.0.0.9")
    assert fields_of(answer, "forwarded") == {"forwarded": [f'for="[2001:db8::7]:0";proto=https;host="shop.test:{shop.port}"']}


@proves("forwarded_set", proxies=("envoy",))
def test_an_upgrade_to_h2c_goes_nowhere(on: Installed, stacks: Stacks) -> None:
    asks = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")]
    answer = stacks.get(on).ask(headers=asks, http2=False)
    assert answer.status_code == 200
    assert fields_of(answer, "upgrade", "http2-settings", "connection") == {}


@proves("http3_edge", "trusted_proxies", proxies=("envoy",))
def test_http3_clients_are_no_trusted_proxies(on: Installed, stacks: Stacks) -> None:
    curl = REPOSITORY / "build/proxies/curl/forky/bin/curl"
    if not curl.exists():
        pytest.skip("a curl with HTTP/3: python -m tools.proxies curl")
    shop = stacks.get(on, TRUSTING.replace("    tls:", "    protocols: [h3, h2, http1]\n    tls:"))
    said = {}
    for local in ("127.0.0.1", "127.0.0.9"):
        command = [str(curl), "--http3-only", "-sS", "--max-time", "10", "--cacert", str(shop.folder / "cert.pem"), "--interface", local,
                   "--resolve", f"shop.test:{shop.port}:127.0.0.1", "-H", "X-Forwarded-For: 192.0.2.7", f"https://shop.test:{shop.port}/"]  # fmt: skip
        fields = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["fields"]
        said[local] = [value for name, value in fields if name == "x-forwarded-for"]
    assert said == {"127.0.0.1": ["127.0.0.1"], "127.0.0.9": ["192.0.2.7"]}


@proves("trusted_proxies", "proxy_protocol_in", proxies=("envoy",))
def test_where_the_proxy_header_names_the_client_nothing_else_does(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f'trust: {{trusted_proxies: ["127.0.0.9"], client_address: proxy-protocol}}{SITE}')
    answer = shop.ask(headers=[("x-forwarded-for", "7.7.7.7"), ("x-forwarded-proto", "http")], local="127.0.0.9")
    assert fields_of(answer, "x-forwarded") == {
        "x-forwarded-for": ["127.0.0.9"], "x-forwarded-proto": ["http"], "x-forwarded-host": [f"shop.test:{shop.port}"],
    }  # fmt: skip


@proves("request_body_limit", "buffer_requests", proxies=("envoy",))
def test_a_body_of_unknown_length_is_bounded_where_bodies_are_collected(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  limits: {{request_body: 1KiB}}\n  buffering: {{request: 'on'}}\n")

    def pieces(count: int) -> Iterator[bytes]:
        yield from (b"x" * 512 for _ in range(count))

    assert shop.ask(method="POST", content=pieces(2), http2=False).json()["size"] == 1024
    assert shop.ask(method="POST", content=pieces(5), http2=False).status_code == 413


@proves("match_prefix", proxies=("envoy",))
def test_a_path_that_two_readers_could_read_differently_is_refused(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on)
    assert [shop.ask(path).status_code for path in ("/a%2Fb", "/a%5Cb")] == [400, 400]
    assert shop.ask("/a//b").json()["path"] == "/a/b"


@proves("unknown_host", proxies=("envoy",))
def test_a_wildcard_stands_for_one_label(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, SITE.replace("[shop.test]", '["*.shop.test"]'))
    names = ("a.shop.test", "A.SHOP.TEST", "a.b.shop.test", "shop.test", "ashop.test")
    assert [shop.ask(host=host).status_code for host in names] == [200, 200, 421, 421, 421]


@proves("early_hints", proxies=("envoy",))
def test_only_the_first_103_of_a_response_arrives(on: Installed, tmp_path: Path) -> None:
    async def hints(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        for number in (b"1", b"2"):
            await send({"type": "http.response.early_hint", "links": [b"</" + number + b".css>; rel=preload"]})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with origin(f"127.0.0.1:{free_port()}", hints) as app, stack(on, tmp_path, app.address) as shop, shop.connection() as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: shop.test:{shop.port}\r\nConnection: close\r\n\r\n".encode())
        said = b"".join(iter(lambda: client.recv(65536), b""))
    assert said.count(b" 103 ") == 1
    assert b"</1.css>" in said
    assert b" 200 OK" in said


@proves("admin_unix", proxies=("envoy",))
def test_admin_on_a_unix_socket(on: Installed, app: Origin, tmp_path: Path) -> None:
    site = f'targets: [{{proxy: envoy, admin: "unix:{tmp_path}/admin.sock"}}]{SITE}'
    with stack(on, tmp_path, app.address, site):
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "admin.sock"))) as client:
            assert client.get("http://admin/ready").text == "LIVE\n"
        assert (tmp_path / "admin.sock").stat().st_mode & 0o777 == 0o600


@proves("metrics", proxies=("envoy",))
def test_figures_are_all_that_is_read_there(on: Installed, app: Origin, tmp_path: Path) -> None:
    port = free_port()
    with stack(on, tmp_path, app.address, f'metrics: {{listen: "127.0.0.1:{port}"}}{SITE}'):
        statuses = [httpx.get(f"http://127.0.0.1:{port}{path}").status_code for path in ("/metrics", "/", "/stats", "/config_dump")]
        assert statuses == [200, 404, 404, 404]
        # The admin interface itself is in this machine's abstract namespace: everybody may connect.
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"\0envoy-figures-127.0.0.1:{port}")
            client.sendall(b"POST /quitquitquit HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 403")


@proves("tls_files", proxies=("envoy",))
def test_basic_auth_takes_no_bcrypt(on: Installed, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("ann:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n")
    certificate(tmp_path, "shop.test")
    kind = "type.googleapis.com/envoy.extensions.filters.http.basic_auth.v3.BasicAuth"
    basic = f"[{{name: basic, typed_config: {{'@type': {kind}, users: {{filename: {tmp_path}/users}}}}}}]"
    text = SITE.replace("${APP}", "127.0.0.1:3") + f'raw: {{envoy: {{http_filters: "{basic}"}}}}'
    site = load("site.yaml", text.encode(), {"HTTP": "1", "HTTPS": "2", "DIR": str(tmp_path)})
    made = render(proxy("envoy"), site.deployment, Target.of("envoy", site.spec))
    (tmp_path / "envoy.yaml").write_text(made.files["envoy.yaml"])
    done = subprocess.run(on.command(proxy("envoy").program.check, tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "SHA" in done.stderr


@contextmanager
def name_server(answers: list[str]) -> Iterator[int]:
    """Answer every question for an IPv4 address with the next of `answers`, the last one for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    question, client = server.recvfrom(512)
                except TimeoutError:
                    continue
                is_a = question[-4:-2] == b"\0\1" or b"\0\1\0\1" in question[12:]
                address = answers.pop(0) if is_a and len(answers) > 1 else answers[0]
                name = question[12 : question.index(b"\0", 12) + 5]
                record = b"\xc0\x0c\0\1\0\1" + struct.pack("!IH", 1, 4) + socket.inet_aton(address) if is_a else b""
                server.sendto(question[:2] + b"\x81\x80\0\1" + struct.pack("!HHH", bool(record), 0, 0) + name + record, client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


@proves("resolve", proxies=("envoy",))
def test_a_name_is_looked_up_again(on: Installed, tmp_path: Path) -> None:
    port = free_port()
    with (
        origin(f"127.0.0.2:{port}") as first, origin(f"127.0.0.3:{port}") as second,
        name_server(["127.0.0.2", "127.0.0.2", "127.0.0.3"]) as names,
    ):  # fmt: skip
        resolver = (
            'raw: {envoy: {bootstrap: "typed_dns_resolver_config: {name: envoy.network.dns_resolver.cares, typed_config: {'
            "'@type': type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig, resolvers: [{"
            f'socket_address: {{address: 127.0.0.1, port_value: {names}, protocol: UDP}}}}]}}}}"}}}}'
        )
        site = SITE.replace("servers: [", "resolve: 1s, servers: [") + resolver
        with stack(on, tmp_path, f"app.shop.test:{port}", site) as shop:
            assert shop.ask().json()["by"] == first.address
            until(lambda: shop.ask().json()["by"] == second.address, "the name's new address")


@proves("h2c_upstream", proxies=("envoy",))
def test_a_long_response_is_not_cut_by_the_bound_on_its_head(on: Installed, tmp_path: Path) -> None:
    async def slow(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(4):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.5)
        await send({"type": "http.response.body", "body": b"end"})

    site = f"{SITE}  timeouts: {{request: 1s}}\n"
    with origin(f"127.0.0.1:{free_port()}", slow) as app, stack(on, tmp_path, app.address, site) as shop:
        assert shop.ask().text == "xxxxend"


def test_raw_pieces_are_checked() -> None:
    lines = ["sites: [{hostnames: [a.example], upstream: 'h2c://127.0.0.1:1'}]", "raw: {envoy: {clusters: 'a: 1', http: x, listeners: '[', bootstrap: '[]', server: {a.example: '{}'}}}"]
    file = load("site.yaml", "\n".join(lines).encode(), {})
    made = render(proxy("envoy"), file.deployment, Target.of("envoy", file.spec))
    refused = [finding.path for finding in made.findings if finding.level is Level.REFUSED and finding.path[0] == "raw"]
    assert refused == [("raw", "envoy", key) for key in ("clusters", "http", "listeners", "bootstrap")] + [("raw", "envoy", "server", "a.example")]


@proves("respond", proxies=("envoy",))
def test_nobody_leaves_the_folder(on: Installed, stacks: Stacks, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("in")
    (tmp_path / "in/index.html").write_text("index")
    (tmp_path / "out.txt").write_text("out")
    route = f"  routes:\n  - {{path: /f/, static: {{root: '{tmp_path}/in'}}}}\n"
    shop = stacks.get(on, f"{UNFINISHED}{SITE}  headers: {{response: {{set: {{X-Own: '1'}}}}}}\n  hsts: {{max_age: 1y}}\n{route}")
    found = shop.ask("/f/a.txt")
    assert (found.text, found.headers["x-own"], found.headers["strict-transport-security"]) == ("in", "1", "max-age=31536000")
    assert shop.ask("/f/").text == "index"
    assert shop.ask("/f/a.txt", headers=[("range", "bytes=1-1")]).text == "n"
    out = ("../out.txt", "%2e%2e/out.txt", "..%2fout.txt", "%252e%252e/out.txt", "a/..//../out.txt")
    for path in out:
        # By hand: a client would take the dots away itself.
        with shop.connection() as client:
            client.sendall(f"GET /f/{path} HTTP/1.1\r\nHost: shop.test:{shop.port}\r\nConnection: close\r\n\r\n".encode())
            said = b"".join(iter(lambda: client.recv(65536), b""))
        assert said[9:12] in (b"400", b"404", b"200"), path
        assert b"\r\n\r\nout" not in said
    assert shop.ask("/f/a.txt", method="POST").status_code == 405


@proves("compression_gzip", proxies=("envoy",))
def test_a_content_type_with_parameters_is_compressed(on: Installed, stacks: Stacks) -> None:
    routes = "  routes:\n  - {file: /t, respond: {body: '" + "x" * 2000 + "', content_type: 'text/html; charset=utf-8'}}\n"
    routes += "  - {file: /j, respond: {body: '" + "x" * 2000 + "', content_type: 'application/json; charset=utf-8'}}\n"
    shop = stacks.get(on, f"{SITE}  compression: {{types: ['text/*', application/json]}}\n{routes}")
    assert [shop.ask(path).headers.get("content-encoding") for path in ("/t", "/j")] == ["gzip", "gzip"]


@proves("respond", proxies=("envoy",))
def test_files_have_their_fields(on: Installed, stacks: Stacks, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "static").mkdir()
    (tmp_path / "static/a b.js").write_text("js")
    (tmp_path / "x.bin").write_text("bin")
    routes = (
        f"  - {{path: /static, static: {{root: '{tmp_path}', strip_prefix: false, cache_control: immutable}}}}\n"
        f"  - {{path: /m/, static: {{root: '{tmp_path}', attachment: true}}}}\n"
    )
    shop = stacks.get(on, f"{UNFINISHED}{SITE}  routes:\n{routes}")
    script, other = shop.ask("/static/a%20b.js"), shop.ask("/m/x.bin")
    assert (script.text, script.headers["content-type"]) == ("js", "text/javascript; charset=utf-8")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (other.text, other.headers["content-type"], other.headers["content-disposition"]) == ("bin", "application/octet-stream", "attachment")
    assert [shop.ask(path).status_code for path in ("/m/none", "/static/none", "/staticx")] == [404, 404, 200]


@proves("https_redirect", proxies=("envoy",))
def test_challenges_of_another_acme_client(on: Installed, app: Origin, tmp_path: Path) -> None:
    challenges = tmp_path / "www/.well-known/acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "token").write_text("answer")
    site = UNFINISHED + SITE.replace("redirect: https", f"redirect: https, acme_webroot: '{tmp_path}/www'")
    with stack(on, tmp_path, app.address, site) as shop:
        assert shop.ask_cleartext("/.well-known/acme-challenge/token").text == "answer"
        assert shop.ask_cleartext("/.well-known/acme-challenge/none").status_code == 404
        assert shop.ask_cleartext("/.well-known/other").status_code == 308


@proves("error_pages", proxies=("envoy",))
def test_a_page_for_the_apps_errors(on: Installed, stacks: Stacks, tmp_path: Path) -> None:
    (tmp_path / "5 xx.html").write_text("<h1>broken</h1>")
    errors = f"errors: {{pages: [{{statuses: [500, 502], file: '{tmp_path}/5 xx.html'}}], from: any}}"
    shop = stacks.get(on, f"{UNFINISHED}{SITE}  {errors}\n")
    page = shop.ask("/?status=500")
    assert (page.status_code, page.text, page.headers["content-type"]) == (500, "<h1>broken</h1>", "text/html; charset=utf-8")
    assert shop.ask("/?status=418").json()["path"] == "/"
