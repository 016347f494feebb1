"""What every proxy does with what a site says about its requests and answers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.hop import SITE, Installed, Origin, Stacks, fields_of, free_port, origin, proves, stack
from tests.interop.servers import doorman
from tests.interop.test_proxies import HANDSHAKE, echo


def site(*lines: str) -> str:
    """Return the site with further lines."""
    return SITE + "".join(f"  {line}\n" for line in lines)


HEADERS = """headers: {request: {set: {X-Scheme: 'a "b" $c {d} 100%'}, remove: [X-Gone]}, response: {set: {X-Set: 'a "b" $c {d} 100%', X-App: ours}, remove: [X-Powered]}}"""


@proves("headers_set")
def test_header_fields_are_set_and_removed(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site(HEADERS))
    answer = shop.ask("/?header=X-App&value=theirs", headers=[("x-scheme", "forged"), ("x-gone", "1")])
    assert fields_of(answer, "x-scheme", "x-gone") == {"x-scheme": ['a "b" $c {d} 100%']}
    assert answer.headers.get_list("x-set") == ['a "b" $c {d} 100%']
    assert answer.headers.get_list("x-app") == ["ours"]
    assert "x-powered" not in shop.ask("/?header=X-Powered").headers


@proves("headers_default")
def test_a_field_is_added_if_the_app_sent_none(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("headers: {response: {default: {X-Content-Type-Options: nosniff}}}"))
    assert shop.ask().headers.get_list("x-content-type-options") == ["nosniff"]
    assert shop.ask("/?header=X-Content-Type-Options&value=own").headers.get_list("x-content-type-options") == ["own"]


@proves("hsts")
def test_hsts(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("hsts: {max_age: 1y, include_subdomains: true}"))
    assert shop.ask().headers.get_list("strict-transport-security") == ["max-age=31536000; includeSubDomains"]


@proves("canonical")
def test_other_names_lead_to_the_canonical_one(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("canonical: shop.test").replace("[shop.test]", "[shop.test, www.shop.test]"))
    other = shop.ask("/a?b=c", host="www.shop.test", follow_redirects=False)
    assert other.status_code in on.permanent
    assert other.headers["location"] == f"https://shop.test:{shop.port}/a?b=c"
    assert shop.ask().status_code == 200


CORS = "cors: {origins: ['https://admin.test'], methods: [GET, PUT], headers: [Authorization], expose: [X-Total], credentials: true, max_age: 10m}"


@proves("cors")
def test_cors(on: Installed, app: Origin, stacks: Stacks) -> None:
    shop = stacks.get(on, site(CORS))
    ours, theirs = ([("origin", name)] for name in ("https://admin.test", "https://evil.test"))
    asks = [("access-control-request-method", "PUT"), ("access-control-request-headers", "authorization")]
    before = len(app.seen)
    preflight = shop.ask(method="OPTIONS", headers=[*ours, *asks])
    assert len(app.seen) == before
    assert preflight.status_code in (200, 204)
    assert preflight.headers["access-control-allow-origin"] == "https://admin.test"
    assert {word.strip() for word in preflight.headers["access-control-allow-methods"].split(",")} == {"GET", "PUT"}
    assert preflight.headers["access-control-allow-headers"].lower() == "authorization"
    assert preflight.headers["access-control-max-age"] == "600"
    answer = shop.ask(headers=ours)
    assert answer.headers.get_list("access-control-allow-origin") == ["https://admin.test"]
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "X-Total"
    assert "access-control-allow-origin" not in shop.ask(headers=theirs).headers
    assert "access-control-allow-origin" not in shop.ask().headers


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pages."""
    made = tmp_path_factory.mktemp("pages")
    made.chmod(0o755)
    (made / "503.html").write_text("<h1>down</h1>")
    (made / "5 xx.html").write_text("<h1>broken</h1>")
    return made


@proves("maintenance")
def test_a_site_that_is_down(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("maintenance: {retry_after: 5m, except: [127.0.0.9]}"))
    down = shop.ask("/x/y")
    assert (down.status_code, down.headers["retry-after"]) == (503, "300")
    assert shop.ask(local="127.0.0.9").status_code == 200
    assert stacks.get(on, site("maintenance: {}")).ask().status_code == 503


@proves("maintenance_page")
def test_the_page_of_a_site_that_is_down(on: Installed, stacks: Stacks, pages: Path) -> None:
    down = stacks.get(on, site(f"maintenance: {{file: '{pages}/503.html', except: [127.0.0.9]}}")).ask("/x/y")
    assert (down.status_code, down.text) == (503, "<h1>down</h1>")


@proves("error_pages")
def test_a_page_for_the_proxys_own_errors(on: Installed, stacks: Stacks, tmp_path: Path, pages: Path) -> None:
    lines = site(f"errors: {{pages: [{{statuses: [502, 503, 504], file: '{pages}/5 xx.html'}}]}}")
    with stack(on, tmp_path, f"127.0.0.1:{free_port()}", lines) as broken:
        answer = broken.ask()
    assert (answer.status_code in (502, 503), answer.text) == (True, "<h1>broken</h1>")
    kept = stacks.get(on, lines).ask("/?status=502")
    assert (kept.status_code, kept.json()["path"]) == (502, "/")


@proves("error_pages_any")
def test_a_page_for_the_apps_errors_too(on: Installed, stacks: Stacks, pages: Path) -> None:
    shop = stacks.get(on, site(f"errors: {{pages: [{{statuses: [500, 502], file: '{pages}/5 xx.html'}}], from: any}}"))
    assert [(answer.status_code, answer.text) for answer in (shop.ask("/?status=500"),)] == [(500, "<h1>broken</h1>")]
    assert shop.ask("/?status=418").status_code == 418


@proves("allow")
def test_only_some_clients(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("routes:", "- {path: /metrics, upstream: app, allow: [127.0.0.8/30]}", "- {path: /old, redirect: {to: /new}, allow: [127.0.0.9]}"))
    assert [shop.ask("/metrics", local=local).status_code for local in ("127.0.0.9", "127.0.0.1")] == [200, 403]
    old = [shop.ask("/old", local=local, follow_redirects=False).status_code for local in ("127.0.0.9", "127.0.0.1")]
    assert old[0] in on.permanent
    assert old[1] == 403
    assert shop.ask("/").status_code == 200


@proves("allow", "trusted_proxies")
def test_a_client_is_who_a_trusted_proxy_says(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f'trust: {{trusted_proxies: ["127.0.0.9"]}}{site("allow: [192.0.2.0/24]")}')
    said = [("x-forwarded-for", "192.0.2.7")]
    assert [shop.ask(local=local, headers=said).status_code for local in ("127.0.0.9", "127.0.0.1")] == [200, 403]


@proves("auth_basic")
def test_a_name_and_a_password(on: Installed, stacks: Stacks, tmp_path: Path) -> None:
    users = tmp_path.parent / "users"
    made = subprocess.run(["openssl", "passwd", "-apr1", "secret"], capture_output=True, text=True, check=True)
    users.write_text(f"ann:{made.stdout.strip()}\n")
    tmp_path.parent.chmod(0o755)
    shop = stacks.get(on, site(f"auth: {{basic: {{users_file: '{users}', realm: 'the \"shop\"'}}}}"))
    refused = shop.ask()
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic realm=")
    assert [shop.ask(auth=("ann", word)).status_code for word in ("secret", "wrong")] == [200, 401]


@pytest.fixture(scope="module")
def door() -> Iterator[Origin]:
    """Return the service that decides."""
    with origin(f"127.0.0.1:{free_port()}", doorman) as door:
        yield door


def behind(door: Origin, *lines: str) -> str:
    """Return the site with a door before it."""
    asks = "auth: {forward: {upstream: door, path: /auth/, copy: [X-User]}}"
    upstreams = f'upstreams: {{door: {{protocol: h2c, servers: ["{door.address}"]}}, app:'
    return site(asks, *lines).replace("upstreams: {app:", upstreams)


IN = [("cookie", "in=1"), ("x-user", "forged")]


@proves("auth_forward")
def test_another_service_decides(on: Installed, door: Origin, stacks: Stacks) -> None:
    shop = stacks.get(on, behind(door))
    inside = shop.ask("/a", headers=IN)
    assert inside.status_code == 200
    assert fields_of(inside, "x-user") == {"x-user": ["ann"]}
    assert shop.ask("/a", headers=[("x-user", "forged")]).status_code == 401
    assert shop.ask("/a", method="POST", content=b"x" * 10, headers=IN).json()["size"] == 10


@proves("auth_forward", "respond")
def test_nobody_is_answered_before_the_door(on: Installed, door: Origin, stacks: Stacks) -> None:
    shop = stacks.get(on, behind(door, "routes:", "- {file: /fixed, respond: {body: secret}}"))
    assert [shop.ask("/fixed", headers=headers).status_code for headers in ([], IN)] == [401, 200]


@proves("auth_forward", "redirect", "redirect_rest")
def test_nobody_is_sent_elsewhere_before_the_door(on: Installed, door: Origin, stacks: Stacks) -> None:
    routes = ("- {file: /old, redirect: {to: /new}}", "- {path: /moved/, redirect: {to: /new/, keep_rest: true}}")
    shop = stacks.get(on, behind(door, "routes:", *routes))
    for path in ("/old", "/moved/x"):
        asked = [shop.ask(path, headers=headers, follow_redirects=False).status_code for headers in ([], IN)]
        assert asked[0] == 401, path
        assert asked[1] in on.permanent, path


@proves("auth_forward", "websocket_split", "h2c_upstream")
def test_no_websocket_passes_the_door(on: Installed, door: Origin, stacks: Stacks) -> None:
    shop = stacks.get(on, behind(door))
    assert shop.ask("/ws", headers=HANDSHAKE, http2=False).status_code == 401
    assert echo(shop, fields=IN[:1]) == b"\x81\x05hello"


@proves("rate_limit")
def test_who_asks_too_often(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("rate_limit: {rate: 1/s, burst: 3, status: 429}"))
    with shop.client() as client:
        statuses = [client.get("/", **shop.named("shop.test", {})).status_code for _ in range(12)]
    assert statuses[0] == 200
    assert set(statuses) == {200, 429}
    assert shop.ask(local="127.0.0.9").status_code == 200


@proves("request_body_limit_by_route", "request_body_limit")
def test_a_longer_body_on_one_route(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("limits: {request_body: 1KiB}", "routes:", "- {path: /upload/, upstream: app, limits: {request_body: 1MiB}}"))
    sent = [shop.ask(path, method="POST", content=b"x" * 2000).status_code for path in ("/", "/upload/")]
    assert sent == [413, 200]


def compressed(on: Installed, stacks: Stacks, encoding: str) -> None:
    """Ask with and without the encoding."""
    shop = stacks.get(on, site(f"compression: {{encodings: [{encoding}], min_length: 10B, types: [application/json]}}"))
    packed = shop.ask(headers=[("accept-encoding", encoding)])
    assert packed.headers["content-encoding"] == encoding
    assert "accept-encoding" in packed.headers["vary"].lower()
    assert "content-encoding" not in shop.ask(headers=[("accept-encoding", "identity")]).headers


@proves("compression_gzip")
def test_gzip(on: Installed, stacks: Stacks) -> None:
    compressed(on, stacks, "gzip")


@proves("compression_br")
def test_brotli(on: Installed, stacks: Stacks) -> None:
    compressed(on, stacks, "br")


@proves("compression_zstd")
def test_zstd(on: Installed, stacks: Stacks) -> None:
    compressed(on, stacks, "zstd")


@proves("request_id")
def test_every_request_has_a_name(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f'trust: {{trusted_proxies: ["127.0.0.9"], request_id: {{}}}}{SITE}')
    first, second = (shop.ask(headers=[("x-request-id", "forged")]) for _ in range(2))
    names = [fields_of(answer, "x-request-id")["x-request-id"] for answer in (first, second)]
    assert names[0] != names[1]
    assert all(len(name) == 1 and len(name[0]) >= 16 for name in names)
    assert first.headers["x-request-id"] == names[0][0]
    kept = shop.ask(headers=[("x-request-id", "abc-123")], local="127.0.0.9")
    assert fields_of(kept, "x-request-id") == {"x-request-id": ["abc-123"]}


@proves("log_json", "log_off")
def test_the_access_log(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("routes:", "- {path: /quiet, upstream: app, log: 'off'}").replace("\nlisteners:", "\nlogging: {format: json, fields: [method, path, status]}\nlisteners:"))
    shop.ask("/quiet")
    shop.ask('/loud?q="x"')
    from tests.interop.hop import until

    log = shop.folder / "proxy.log"
    until(lambda: "/loud" in log.read_text(), "the line")
    assert "/quiet" not in log.read_text()
    assert any(line.startswith("{") and "/loud" in line and "200" in line for line in log.read_text().splitlines())


@proves("tracing")
def test_traces_go_on(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"tracing: {{propagate: [traceparent, tracestate]}}{SITE}")
    sent = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", "a=b")]
    assert fields_of(shop.ask(headers=sent), "trace") == {name: [value] for name, value in sent}
