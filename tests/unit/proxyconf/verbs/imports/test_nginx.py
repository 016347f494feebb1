"""nginx.conf as a site file: configurations as applications ship them, and our own there and back.

`PROXYCONF_GOLDEN=write pytest ...` writes the site files beside the configurations; read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxyconf.spec.read import load
from proxyconf.verbs.imports.imported import NotReadable, imported
from proxyconf.verbs.imports.locations import anchored
from proxyconf.verbs.site import rendered

HERE = Path(__file__).parent
EXAMPLES = sorted(path.name for path in HERE.glob("*.conf"))
TLS = "tls: {certificates: [{cert: /etc/ssl/a.pem, key: /etc/ssl/a.key}]}"
EDGE = f"listeners: {{http: {{redirect: https}}, https: {{{TLS}}}}}\n"
# Simple sites; what is rendered from them is imported, and renders to the same again.
ROUND_TRIPS = {
    "shorthand": EDGE + 'sites: [{hostnames: [shop.example], upstream: "http://127.0.0.1:8000"}]',
    "h2c": EDGE + 'sites: [{hostnames: [shop.example], upstream: "h2c://10.0.0.2:8000"}]',
    "unix_http1": EDGE + 'sites: [{hostnames: [shop.example, "*.shop.example"], upstream: "http://unix:/run/app.sock"}]',
    "cleartext_any_name": 'listeners: {web: {address: "127.0.0.1:8080"}}\nsites: [{hostnames: any, upstream: "http://127.0.0.1:8000"}]',
    "two_sites": EDGE + "sites:\n- {hostnames: [a.example], upstream: 'http://127.0.0.1:1'}\n- {hostnames: [b.example], upstream: 'h2c://127.0.0.1:2'}",
    "files": EDGE + "sites: [{hostnames: [a.example], upstream: 'http://127.0.0.1:1', routes: [{path: /static/, static: {root: /srv/static}}]}]",
    "limits": EDGE + "sites: [{hostnames: [a.example], upstream: 'http://127.0.0.1:1', limits: {request_body: 20MiB}, timeouts: {connect: 2s}}]",
    "answers": EDGE + "sites: [{hostnames: [a.example], upstream: 'http://127.0.0.1:1', routes: [{file: /up, respond: {status: 204}}, {path: /x/, upstream: 'http://127.0.0.1:2'}]}]",
    "modern_tls": "listeners: {https: {protocols: [http1], tls: {profile: modern, certificates: [{cert: /a, key: /b}]}}}\nsites: [{hostnames: [a.example], upstream: 'http://127.0.0.1:1'}]",
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_applications_ship(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    made = imported(Path(name), "nginx")
    golden = HERE / f"{name.removesuffix('.conf')}.yaml"
    if os.environ.get("PROXYCONF_GOLDEN") == "write":
        golden.write_text(made.text)
    assert made.text == golden.read_text()
    assert made.problems == (), "the site file is right, and its proxy can do it"


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    before = rendered(load("site.yaml", ROUND_TRIPS[name].encode(), {}), ["nginx"]).bundles["nginx"].files
    path = tmp_path / "nginx.conf"
    path.write_text(before["nginx.conf"])
    made = imported(path, "nginx")
    assert (made.remarks, made.problems) == ((), ())
    assert rendered(load("site.yaml", made.text.encode(), {}), ["nginx"]).bundles["nginx"].files == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http {\n  server {\n", '2: unexpected end of file, expecting "}"'),
        ("http {\n}}\n", '2: unexpected "}"'),
        ("# nothing\n", "1: there is no directive in it"),
    ],
)
def test_what_nginx_could_not_read_either(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    with pytest.raises(NotReadable, match=r"nginx\.conf:\d+: .") as raised:
        imported(path, "nginx")
    assert says in str(raised.value)


WORDS = st.sampled_from([
    "listen 80;", "listen 443 ssl;", "server_name a.example;", "location / {", "location ~ ^/x {", "proxy_pass http://a:1;", "}", "return 301 https://$host$request_uri;",
    "root /srv;", "client_max_body_size 1m;", "server {", "upstream a {", "server b:1;", "error_page 500 /x;", "if ($a) {", "add_header A;", "proxy_set_header;",
    "listen;", "location;", "return;", "try_files $uri @a;", "location @a {", "large_client_header_buffers 1;", "keepalive_timeout x;", "ssl_certificate;",
    "gzip on;", "gzip_types;", "allow;", "expires;", "expires 1x;", "alias;", "set_real_ip_from;", "real_ip_header;", "rewrite;", "deny all;", "http2;",
])  # fmt: skip


@settings(deadline=None, max_examples=150)
@example(words=["server {", "large_client_header_buffers 1;"])  # in a place where crossplane counts no words
@example(words=["server {", "location ^~ {", "proxy_pass http://a:1;"])
@example(words=["server {", "location / {", "proxy_pass http://a:1;", "proxy_set_header X-Forwarded-Prefix;"])
@given(words=st.lists(WORDS, max_size=24))
def test_any_order_of_words(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever stands there, the answer is a site file or one line with a place."""
    path = tmp_path_factory.mktemp("any") / "nginx.conf"
    opened = sum(word.endswith("{") for word in words) - words.count("}")
    path.write_text("\n".join([*words, *["}"] * max(opened, 0)]) + "\n# end\n")
    try:
        said = imported(path, "nginx").text
    except NotReadable as error:
        said = str(error)
    assert said.startswith((f"{path}:", "# Imported from nginx.conf"))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("^/api/[0-9]+/", "^/api/[0-9]+/"), (r"\.(css|js)$", r"^/.*\.(css|js)$"), (r"^.*\.php$", r"^/.*\.php$"),
        ("^(/_matrix|/_synapse/client)", "^/(_matrix|_synapse/client)"), ("^(?:/a|/b)/c$", "^/(?:a|b)/c$"), ("^(/a|b)", ""), ("^[/]a", ""),
    ],
)  # fmt: skip
def test_an_expression_begins_with_a_slash(given: str, wanted: str) -> None:
    assert anchored(given) == wanted
