"""Envoy's own view of what is rendered: every golden, and every hostile text, byte for byte."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from proxyconf.document.findings import SiteError
from proxyconf.facts.table import table
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from proxyconf.syntax.yamlcpp import dump
from proxyconf.verbs.site import bundle
from tests.interop.hop import (
    DEADLINE,
    Installed,
    Origin,
    Stacks,
    certificate,
    free_port,
    installed,
    listens,
    proves,
    until,
)
from tests.interop.test_proxies_routes import site

GOLDENS = sorted((Path(__file__).resolve().parents[1] / "unit/proxyconf/proxies/golden/envoy").glob("*.txt"))


def prepared(text: str, folder: Path) -> str:
    """Return a site whose files are there: those of /etc and /srv."""
    certificate(folder, "shop.example")
    for name in ("etc/ssl", "srv"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pem, key = (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()
    for name in ("ssl/shop.pem", "ssl/clients.pem", "a b\\;{}\"'#é.pem", "k.pem", "ssl/shop.key", "ssl/shop key.pem"):
        (folder / "etc" / name).write_bytes(pem + key)
    for name in ("5 xx.html", "503.html", "500.html", "favicon.ico"):
        (folder / "srv" / name).write_text("page")
    return text.replace("/etc/", f"{folder}/etc/").replace("/srv/", f"{folder}/srv/")


def check(on: Installed, folder: Path, text: str) -> None:
    """Let Envoy check a configuration."""
    (folder / "envoy.yaml").write_text(text)
    done = subprocess.run(on.command(proxy("envoy").program.check, folder), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    unfinished = ("http.custom_response", "http.file_server", "common.async_files")  # only for targets that ask for them
    warned = [line for line in done.stderr.splitlines() if "[warning]" in line and not any(name in line for name in unfinished)]
    assert warned == []


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: str(path.stem))
@proves("tls_files", proxies=("envoy",))
def test_envoy_accepts_every_golden(on: Installed, golden: Path, tmp_path: Path) -> None:
    text = prepared(golden.read_text().partition("----------\n")[0], tmp_path)
    if 'version: "' not in text:
        text = text.replace("proxy: envoy", f'proxy: envoy, version: "{on.version}"')
    elif f'version: "{on.version}"' not in text:
        return  # for another version
    try:
        made = bundle("envoy", load("site.yaml", text.encode(), {}))
    except SiteError:
        return
    if not made.refused:
        check(on, tmp_path, made.stamped("0" * 64).files["envoy.yaml"])


HOSTILE = [
    "a b", "{", "}", "{}", ";", "$", "${HOME}", "\\", "\\\\", '"', '\\"', "'", "`", "#", " # x", "\t", "\n", "\r\n", "\\n", "%", "%%", "%x",
    "%ENVIRONMENT(HOME)%", "%START_TIME%", "é", "🙂", "\u00a0", "\u2028", "y", "on", "null", "~", "010", "0x1f", "1e3", "- ", "a: b", "*a", "&a", "!!x",
    "|", ">", "<<", "@", "\x00", "\x7f", "{{ x }}",
]  # fmt: skip


@proves("respond", proxies=("envoy",))
def test_envoy_reads_every_word_as_it_was_meant(on: Installed, tmp_path: Path) -> None:
    words = [*HOSTILE, *(first + second for first in HOSTILE for second in HOSTILE)]
    port, manager = free_port(), "envoy.filters.network.http_connection_manager"
    kind = "type.googleapis.com/envoy.extensions.filters"
    routes = [
        {"match": {"path": f"/{at}"}, "direct_response": {"status": 200, "body": {"inline_string": text}}} for at, text in enumerate(words)
    ]
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}}
    config = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "x", "http_filters": [router],
        "route_config": {"virtual_hosts": [{"name": "x", "domains": ["*"], "routes": routes}]},
    }  # fmt: skip
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    listener = {"address": address, "filter_chains": [{"filters": [{"name": manager, "typed_config": config}]}]}
    (tmp_path / "envoy.yaml").write_text(dump({"static_resources": {"listeners": [listener]}}), encoding="utf-8")
    process = subprocess.Popen(on.command(proxy("envoy").program.run, tmp_path), stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(("127.0.0.1", port)), "envoy")
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client, client.makefile("rb") as answers:
            for at, text in enumerate(words):
                client.sendall(f"GET /{at} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                length = 0
                while (line := answers.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                assert answers.read(length).decode() == text
    finally:
        process.kill()
        process.wait()


@proves("headers_set", "match_headers", proxies=("envoy",))
def test_a_formats_words_are_not_expanded(on: Installed, app: Origin, stacks: Stacks) -> None:
    words = [text for text in HOSTILE if text != "${HOME}" and all(" " <= char <= "~" for char in text) and text.strip() == text]
    fields = ", ".join(f"X-{at}: '{text.replace(chr(39), chr(39) * 2)}'" for at, text in enumerate(words))
    shop = stacks.get(on, site(f"path: /x, upstream: app, headers: {{request: {{set: {{{fields}}}}}, response: {{set: {{{fields}}}}}}}"))
    answer = shop.ask("/x")
    seen = dict(answer.json()["fields"])
    assert [seen[f"x-{at}"] for at in range(len(words))] == words
    assert [answer.headers[f"x-{at}"] for at in range(len(words))] == words


def test_the_tried_versions_hold_the_installed_ones() -> None:
    if not installed("envoy"):
        pytest.skip("envoy: python -m tools.proxies envoy")
    assert all(table("envoy").oldest <= one.version <= table("envoy").newest for one in installed("envoy"))
