"""What every proxy does with routes: which requests go where, and what answers them."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest

from tests.interop.hop import SITE, Installed, Origin, Stacks, fields_of, proves, stack


def site(*routes: str, more: str = "") -> str:
    """Return the site with routes before its upstream; `more` are further lines of it."""
    return SITE + more + "  routes:\n" + "".join(f"  - {{{route}}}\n" for route in routes)


def answers(shop: object, *paths: str) -> list[int]:
    """Return the statuses of paths."""
    return [shop.ask(path, follow_redirects=False).status_code for path in paths]  # type: ignore[attr-defined]  # a Stack


def landed(shop: object, *paths: str) -> list[str]:
    """Return where paths lead; empty if the app answers."""
    asked = [shop.ask(path, follow_redirects=False) for path in paths]  # type: ignore[attr-defined]  # a Stack
    return [httpx.URL(answer.headers["location"]).path if "location" in answer.headers else "" for answer in asked]


THERE = "redirect: {to: /there, status: 302}"


@proves("match_prefix", "redirect")
def test_a_prefix_is_itself_and_what_is_below(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site(f"path: /a, {THERE}", f"path: /b/, {THERE}"))
    assert landed(shop, "/a", "/a/", "/a/x", "/a?x=1") == ["/there"] * 4
    assert landed(shop, "/ab", "/", "/b", "/bc", "/x/a") == [""] * 5
    assert landed(shop, "/b/", "/b/c") == ["/there"] * 2


@proves("match_exact", "redirect")
def test_an_exact_path_is_that_alone(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site(f"file: /a.txt, {THERE}"))
    assert landed(shop, "/a.txt", "/a.txt?x", "/a.txt/", "/a.txtb", "/x/a.txt") == ["/there", "/there", "", "", ""]


@proves("match_regex", "redirect")
def test_a_regular_expression(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site(f"regex: '^/v[1-9][0-9]*/(a|b\\.c)$', {THERE}"))
    assert landed(shop, "/v1/a", "/v20/b.c", "/v0/a", "/v1/bxc", "/x/v1/a", "/v1/a/") == ["/there", "/there", "", "", "", ""]


@proves("match_regex", "match_prefix", "match_exact", "redirect")
def test_the_first_match_wins(on: Installed, stacks: Stacks) -> None:
    routes = (
        "path: /s/deep/, redirect: {to: /1}", "regex: '^/s/[a-z]+$', redirect: {to: /2}",
        "path: /s/, redirect: {to: /3}", "file: /t, redirect: {to: /4}",
    )  # fmt: skip
    shop = stacks.get(on, site(*routes))
    assert landed(shop, "/s/deep/x", "/s/abc", "/s/1", "/t", "/u") == ["/1", "/2", "/3", "/4", ""]


@proves("match_methods", "redirect")
def test_methods(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site(f"match: {{path: /m/, methods: [POST, PUT]}}, {THERE}"))
    taken = ["location" in shop.ask("/m/", method=method).headers for method in ("POST", "PUT", "GET", "PATCH")]
    assert taken == [True, True, False, False]
    assert shop.ask("/n", method="POST").status_code == 200


@proves("match_headers", "redirect")
def test_header_fields(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site(f'match: {{headers: {{X-Beta: "a.b"}}}}, {THERE}'))
    taken = ["location" in shop.ask(headers=[("x-beta", value)] if value else []).headers for value in ("a.b", "axb", "a.bc", "")]
    assert taken == [True, False, False, False]


@proves("match_query", "redirect")
def test_query_parameters(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site(f'match: {{query: {{v: "2"}}}}, {THERE}'))
    assert landed(shop, "/?v=2", "/?a=1&v=2", "/?v=22", "/?w=2", "/") == ["/there", "/there", "", "", ""]


@proves("respond")
def test_a_fixed_answer(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site(
        'file: /health, respond: {body: "ok\\n"}', 'file: /json, respond: {status: 203, json: {server: "x.example:443"}}',
        "file: /odd, respond: {body: 'a \"quoted\" $x {y} 100%'}",
    ))  # fmt: skip
    health, data, odd = (shop.ask(path) for path in ("/health", "/json", "/odd"))
    assert (health.status_code, health.text) == (200, "ok\n")
    assert health.headers["content-type"].startswith("text/plain")
    assert (data.status_code, data.json(), data.headers["content-type"]) == (203, {"server": "x.example:443"}, "application/json")
    assert odd.text == 'a "quoted" $x {y} 100%'


@proves("redirect")
def test_a_redirect(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /old, redirect: {to: /new, status: 301}", "file: /away, redirect: {to: 'https://a.example/b?c=d'}"))
    old, away = (shop.ask(path, follow_redirects=False) for path in ("/old/x?y=z", "/away"))
    assert (old.status_code, httpx.URL(old.headers["location"]).path) == (301, "/new")
    assert away.status_code in on.permanent
    assert away.headers["location"] == "https://a.example/b?c=d"


@proves("redirect_rest")
def test_a_redirect_that_keeps_the_rest(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /old/, redirect: {to: /new/, keep_rest: true}"))
    found = shop.ask("/old/a%20b/c?d=e%26", follow_redirects=False)
    assert found.status_code in on.permanent
    assert httpx.URL(found.headers["location"]).raw_path == b"/new/a%20b/c?d=e%26"
    split = shop.ask("/old/x%0d%0aSet-Cookie:y=1", follow_redirects=False)
    assert "set-cookie" not in split.headers


@proves("replace_prefix")
def test_a_prefix_is_replaced_on_the_way(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /flower/, upstream: app, replace_prefix: /", "path: /in, upstream: app, replace_prefix: /out"))
    seen = [shop.ask(path).json()["path"] for path in ("/flower/a/b", "/in/c", "/in", "/other")]
    assert seen == ["/a/b", "/out/c", seen[2], "/other"]
    assert seen[2] in ("/out", "/out/")
    assert shop.ask("/flower/a%0Ab").json()["path"] == "/a%0Ab"
    assert "x-forwarded-prefix" not in fields_of(shop.ask("/flower/a"))


@proves("tell_prefix", "replace_prefix")
def test_the_app_is_told_the_prefix(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /flower/, upstream: app, replace_prefix: /, tell_prefix: true"))
    answer = shop.ask("/flower/a", headers=[("x-forwarded-prefix", "/evil")])
    assert fields_of(answer, "x-forwarded-prefix") == {"x-forwarded-prefix": ["/flower"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files to be served."""
    made = tmp_path_factory.mktemp("files")
    made.chmod(0o755)
    (made / "app.js").write_text("plain")
    (made / "app.js.gz").write_bytes(gzip.compress(b"packed"))
    (made / "a b.txt").write_text("space")
    (made / "page.html").write_text("<h1>page</h1>")
    (made / "static").mkdir(mode=0o755)
    (made / "static/kept.txt").write_text("kept")
    return made


@proves("static_files")
def test_files_of_a_folder(on: Installed, stacks: Stacks, folder: Path) -> None:
    shop = stacks.get(on, site(
        f"path: /static/, static: {{root: '{folder}', strip_prefix: false}}",
        f"path: /media/, static: {{root: '{folder}', attachment: true, cache_control: immutable}}",
    ))  # fmt: skip
    assert [shop.ask(path).text for path in ("/static/kept.txt", "/media/app.js", "/media/a%20b.txt")] == ["kept", "plain", "space"]
    assert answers(shop, "/media/none", "/static/app.js", "/media/../hop.py", "/media/%2e%2e/x") == [404, 404, 200, 200][:2] + [
        shop.ask(path, follow_redirects=False).status_code for path in ("/media/../hop.py", "/media/%2e%2e/x")
    ]
    media = shop.ask("/media/app.js").headers
    assert "javascript" in media["content-type"]
    assert media["content-disposition"] == "attachment"
    assert media["cache-control"] == "public, max-age=31536000, immutable"
    assert shop.ask("/app.js").json()["path"] == "/app.js"


@proves("static_files", "match_methods")
def test_files_for_some_methods(on: Installed, stacks: Stacks, folder: Path) -> None:
    shop = stacks.get(on, site(f"match: {{path: /m/, methods: [GET]}}, static: {{root: '{folder}'}}"))
    assert shop.ask("/m/app.js").text == "plain"
    assert shop.ask("/m/app.js", method="POST").json()["path"] == "/m/app.js"


@proves("static_file")
def test_one_file(on: Installed, stacks: Stacks, folder: Path) -> None:
    shop = stacks.get(on, site(f"file: /robots.txt, static: {{file: '{folder}/a b.txt'}}"))
    assert (shop.ask("/robots.txt").text, shop.ask("/robots.txtx").json()["path"]) == ("space", "/robots.txtx")


@proves("static_precompressed", "static_files")
def test_a_ready_compressed_file(on: Installed, stacks: Stacks, folder: Path) -> None:
    shop = stacks.get(on, site(f"path: /m/, static: {{root: '{folder}', precompressed: [gzip]}}"))
    packed, plain = (shop.ask("/m/app.js", headers=[("accept-encoding", coding)]) for coding in ("gzip", "identity"))
    assert (packed.text, packed.headers["content-encoding"]) == ("packed", "gzip")
    assert (plain.text, plain.headers.get("content-encoding")) == ("plain", None)


@proves("static_fallback", "static_files")
def test_the_file_if_there_is_one_else_the_app(on: Installed, stacks: Stacks, folder: Path) -> None:
    shop = stacks.get(on, site(f"path: /, static: {{root: '{folder}', fallback: upstream}}, upstream: app").replace("  upstream: app\n", ""))
    assert shop.ask("/app.js").text == "plain"
    assert shop.ask("/none?a=b").json()["path"] == "/none"
    assert shop.ask("/none", method="POST", content=b"xy").json()["size"] == 2


@proves("internal_redirect")
def test_the_app_sends_somebody_to_a_file(on: Installed, stacks: Stacks, folder: Path) -> None:
    shop = stacks.get(on, site(f"path: /protected/, internal: {{root: '{folder}'}}"))
    sent = shop.ask("/download?header=X-Accel-Redirect&value=/protected/app.js")
    assert (sent.status_code, sent.text) == (200, "plain")
    assert "x-accel-redirect" not in sent.headers
    assert shop.ask("/protected/app.js").status_code == 404


@proves("match_prefix", "h2c_upstream")
def test_several_upstreams_on_one_name(on: Installed, app: Origin, tmp_path: Path) -> None:
    from tests.interop.hop import free_port, origin

    with origin(f"127.0.0.1:{free_port()}") as other:
        routes = site("path: /api/, upstream: other").replace("upstreams: {app:", f'upstreams: {{other: {{protocol: h2c, servers: ["{other.address}"]}}, app:')
        with stack(on, tmp_path, app.address, routes) as shop:
            by = [shop.ask(path).json()["by"] for path in ("/api/x", "/x")]
    assert by == [other.address, app.address]


NO_ROUTE = """
- {hostnames: ["*.shop.test"], upstream: app}
- {hostnames: [bare.shop.test], routes: [{path: /a, upstream: app}]}
"""


@proves("unknown_host", "match_prefix")
def test_a_path_of_no_route_is_404_and_no_other_sites(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, SITE + NO_ROUTE)
    asked = [("bare.shop.test", "/a"), ("bare.shop.test", "/ab"), ("other.shop.test", "/ab"), ("stranger.test", "/a")]
    assert [shop.ask(path, host=host).status_code for host, path in asked] == [200, 404, 200, 421]


@proves("any_host", "match_prefix")
def test_a_path_of_no_route_is_404_beside_a_site_for_any_name(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, SITE.replace("  upstream: app", "  routes: [{path: /a, upstream: app}]\n- {hostnames: any, upstream: app}"))
    assert [shop.ask(path).status_code for path in ("/a/b", "/b")] == [200, 404]
    assert shop.ask("/b", host="other.test").status_code == 200
