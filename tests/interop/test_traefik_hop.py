"""What only Traefik is particular about, live."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from tests.interop.hop import (
    DEADLINE,
    SITE,
    Installed,
    Origin,
    Stack,
    Stacks,
    certificate,
    fields_of,
    free_port,
    proves,
    stack,
    until,
)
from tests.interop.test_proxies import HANDSHAKE, TRUSTING, echo
from tests.interop.test_proxies_routes import site

HTTP1 = SITE.replace("protocol: h2c", "protocol: http1")


@proves("trusted_proxies", proxies=("traefik",))
def test_the_chain_of_a_trusted_proxy_ends_with_itself(on: Installed, stacks: Stacks) -> None:
    said = [("x-forwarded-for", "7.7.7.7, 8.8.8.8"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "www.test")]
    others = [("x-forwarded-user", "root"), ("x-forwarded-prefix", "/evil"), ("x-real-ip", "7.7.7.7"), ("x_forwarded_for", "1.1.1.1")]
    answer = stacks.get(on, TRUSTING).ask(headers=[*said, *others], local="127.0.0.9")
    assert fields_of(answer, "x-forwarded", "x-real", "x_") == {
        "x-forwarded-for": ["7.7.7.7, 8.8.8.8, 127.0.0.9"], "x-forwarded-proto": ["http"], "x-forwarded-host": ["www.test"],
    }  # fmt: skip


@proves("allow", "trusted_proxies", proxies=("traefik",))
def test_the_client_is_the_first_from_the_right_that_is_not_trusted(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{TRUSTING}  allow: [192.0.2.0/24, 127.0.0.5]\n")

    def status(local: str, chain: str = "") -> int:
        return shop.ask(local=local, headers=[("x-forwarded-for", chain)] if chain else []).status_code

    assert [status("127.0.0.9", chain) for chain in ("192.0.2.7", "8.8.8.8, 192.0.2.7", "192.0.2.7, 127.0.0.9")] == [200] * 3
    assert [status("127.0.0.9", chain) for chain in ("192.0.2.7, 8.8.8.8", "")] == [403] * 2
    # A peer that is no proxy is the client, whatever it says.
    assert (status("127.0.0.5", "8.8.8.8"), status("127.0.0.6", "192.0.2.7")) == (200, 403)


@proves("websocket_http1", proxies=("traefik",))
def test_no_protocol_hides_behind_a_websocket(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, HTTP1)
    both = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("upgrade", "websocket"), ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA")]
    try:
        answer = shop.ask(http2=False, headers=both)
        upgraded = answer.headers.get("upgrade", "") if answer.status_code == 101 else ""
    except httpx.RemoteProtocolError:
        upgraded = ""
    assert "h2c" not in upgraded


@proves("websocket_split", proxies=("traefik",))
def test_a_websocket_where_there_is_none_is_a_plain_request(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /plain/, upstream: app, websocket: false", "path: /ws/, upstream: app, websocket: true"))
    answer = shop.ask("/plain/", headers=HANDSHAKE, http2=False)
    assert answer.status_code == 200
    assert "upgrade" not in fields_of(answer)
    assert echo(shop, "/ws/x") == b"\x81\x05hello"
    assert echo(shop) == b"\x81\x05hello"


@proves("request_body_limit", "websocket_split", proxies=("traefik",))
def test_a_websocket_passes_where_bodies_are_counted(on: Installed, stacks: Stacks) -> None:
    assert echo(stacks.get(on, f"{SITE}  limits: {{request_body: 1MiB}}\n")) == b"\x81\x05hello"


@proves("replace_prefix", proxies=("traefik",))
def test_a_prefix_in_other_words_is_the_same_prefix(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /flower/, upstream: app, replace_prefix: /inner/"))
    seen = [shop.ask(path).json()["path"] for path in ("/fl%6fwer/a", "/flower/%2e%2e%2Fb", "/flower/a%2Fb", "/flowers")]
    assert seen[0] == "/inner/a"
    assert seen[1].startswith("/inner/")
    assert seen[2:] == ["/inner/a%2Fb", "/flowers"]


@proves("replace_prefix", proxies=("traefik",))
def test_a_percent_encoded_prefix_is_one_in_every_form(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site(
        "path: /%7Bx%7D, upstream: app, replace_prefix: /r", "path: /a%2Fb/, upstream: app, replace_prefix: /s/",
        "path: /p%20q, upstream: app, replace_prefix: /t",
    ))  # fmt: skip
    seen = [shop.ask(path).json()["path"] for path in ("/%7bx%7D/1", "/a%2fb/1", "/a/b/1", "/p%20q/a%2Fb%20", "/%7bx%7D/a%2Fb")]
    assert seen == ["/r/1", "/s/1", "/a/b/1", "/t/a%2Fb%20", "/r/a%2Fb"]


@proves("redirect_rest", proxies=("traefik",))
def test_the_rest_of_a_path_leads_to_no_other_host(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /old/, redirect: {to: /, keep_rest: true}"))
    with shop.connection() as client:
        for path in (b"/old//evil.test", b"/old/\\evil.test", b"/old/%2Fevil.test", b"/old/%5cevil.test"):
            client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: shop.test:%d\r\n\r\n" % shop.port)
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                assert piece, head
                head += piece
            [where] = [line.split(b": ", 1)[1] for line in head.split(b"\r\n") if line.lower().startswith(b"location:")]
            assert where.startswith(b"/")
            assert not where.startswith((b"//", b"/\\")), where


@proves("client_certificates", proxies=("traefik",))
def test_no_other_name_leads_around_a_clients_certificate(on: Installed, app: Origin, tmp_path: Path) -> None:
    clients, port = tmp_path / "clients", free_port()
    clients.mkdir(mode=0o755)
    certificate(clients, "ann")
    asks = f"  inner: {{address: '127.0.0.1:{port}', tls: {{certificates: [{{cert: '${{DIR}}/cert.pem', key: '${{DIR}}/key.pem'}}], client_auth: {{mode: require, ca: '{clients}/cert.pem'}}}}}}\nupstreams:"
    with stack(on, tmp_path, app.address, SITE.replace("upstreams:", asks)) as shop:
        inner = Stack(on, port, 0, tmp_path)
        until(inner.shows_its_certificate, "the other listener")
        for sni in ("shop.test", "other.test"):
            with inner.client(http2=False) as client:
                try:
                    status = client.get("/", headers={"host": "shop.test"}, extensions={"sni_hostname": sni}).status_code
                except (httpx.TransportError, ssl.SSLError):
                    status = 0
            assert status in (0, 421), sni
        context = inner.tls()
        context.load_cert_chain(clients / "cert.pem", clients / "key.pem")
        with httpx.Client(verify=context, base_url=f"https://127.0.0.1:{port}", timeout=DEADLINE) as known:
            assert known.get("/", **inner.named("shop.test", {})).status_code == 200
        assert shop.ask().status_code == 200


@proves("raw", proxies=("traefik",))
def test_raw_settings_are_laid_over_ours(on: Installed, app: Origin, tmp_path: Path) -> None:
    port = free_port()
    static = f'{{ping: {{entryPoint: probe}}, entryPoints: {{probe: {{address: "127.0.0.1:{port}"}}}}}}'
    added = '{http: {middlewares: {own: {headers: {customResponseHeaders: {X-Own: "{{ 1 }}"}}}, answers: {headers: {customResponseHeaders: {X-Two: "2"}}}}}}'
    raw = f"raw:\n  traefik:\n    static: '{static}'\n    dynamic: '{added}'\n"
    with stack(on, tmp_path, app.address, f"{raw}{SITE}  headers: {{response: {{set: {{X-One: '1'}}}}}}\n") as shop:
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/ping").text == "OK", "the probe")
        answer = shop.ask()
    assert (answer.headers["x-one"], answer.headers["x-two"]) == ("1", "2")


@proves("redirect", proxies=("traefik",))
def test_what_changes_in_dynamic_yaml_is_read_again(on: Installed, app: Origin, tmp_path: Path) -> None:
    with stack(on, tmp_path, app.address, site("file: /moved, redirect: {to: /before}")) as shop, shop.client() as client:
        asks = shop.named("shop.test", {"follow_redirects": False})
        assert client.get("/moved", **asks).headers["location"] == "/before"
        file = tmp_path / "dynamic.yaml"
        fresh = tmp_path / "fresh.yaml"
        fresh.write_text(file.read_text().replace("/before", "/after"))
        fresh.replace(file)
        until(lambda: client.get("/moved", **asks).headers["location"] == "/after", "the change")


@proves("health_check_http", proxies=("traefik",))
def test_a_health_check_asks_for_a_name_that_the_app_knows(on: Installed, app: Origin, tmp_path: Path) -> None:
    check = "health_check: {path: /healthz, interval: 200ms, timeout: 1s}, servers: ["
    before = len(app.seen)
    with stack(on, tmp_path, app.address, SITE.replace("servers: [", check)):
        until(lambda: any(scope["path"] == "/healthz" for scope in app.seen[before:]), "the question")
    asked = next(scope for scope in app.seen[before:] if scope["path"] == "/healthz")
    assert dict(asked["headers"])[b"host"] == b"shop.test"
    assert asked["http_version"] == "2"


NAMES = f"""{SITE}
- {{hostnames: ["*.shop.test"], routes: [{{path: /, redirect: {{to: /wild}}}}]}}
- {{hostnames: [x.shop.test], routes: [{{path: /, redirect: {{to: /exact}}}}]}}
- {{hostnames: ["*.y.shop.test"], routes: [{{path: /, redirect: {{to: /deeper}}}}]}}
"""


@proves("unknown_host", "redirect", proxies=("traefik",))
def test_a_name_goes_before_a_wildcard_and_a_longer_one_before_a_shorter(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, NAMES)
    hosts = ("x.shop.test", "q.shop.test", "q.y.shop.test", "Q.SHOP.test")
    led = [shop.ask(host=host, follow_redirects=False).headers["location"] for host in hosts]
    assert led == ["/exact", "/wild", "/deeper", "/wild"]
    assert [shop.ask(host=host).status_code for host in ("shop.test", "a.b.c.shop.test", "shop.test.evil")] == [200, 421, 421]


@proves("https_redirect", "trusted_proxies", proxies=("traefik",))
def test_a_path_of_no_route_is_404_for_who_had_tls_and_has_what_the_site_adds(on: Installed, stacks: Stacks) -> None:
    route = "  hsts: {}\n  headers: {response: {set: {X-A: b}}}\n  routes: [{path: /a, upstream: app}]"
    shop = stacks.get(on, TRUSTING.replace("127.0.0.9", "127.0.0.1").replace("  upstream: app", route))
    answers = [shop.ask_cleartext(path, headers=[("x-forwarded-proto", "https")]) for path in ("/a", "/b")]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert [answer.headers["x-a"] for answer in answers] == ["b", "b"]
    assert all("max-age=" in answer.headers["strict-transport-security"] for answer in answers)


@proves("rate_limit", proxies=("traefik",))
def test_each_route_has_a_limit_of_its_own(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /a, upstream: app", more="  rate_limit: {rate: 1/h, burst: 2}\n"))
    asked = [[shop.ask(path).status_code for _ in range(3)] for path in ("/a", "/b")]
    assert asked == [[200, 200, 429]] * 2
