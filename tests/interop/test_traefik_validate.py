"""Traefik's own view of what is rendered: every golden, and every hostile text, byte for byte."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from proxyconf.cli.main import main
from proxyconf.document.findings import SiteError
from proxyconf.facts.table import table
from proxyconf.programs.run import ProgramFault
from proxyconf.programs.trial import try_files
from proxyconf.proxies.registry import proxy
from proxyconf.proxies.traefik.trial import faults as complaints
from proxyconf.spec.read import load
from proxyconf.syntax.traefik import dump, go_string
from proxyconf.verbs.site import bundle
from tests.interop.hop import SITE, Installed, Origin, Stacks, certificate, free_port, installed, proves, stack, until
from tests.interop.test_envoy_validate import HOSTILE
from tests.interop.test_proxies_routes import site

GOLDENS = sorted((Path(__file__).resolve().parents[1] / "unit/proxyconf/proxies/golden/traefik").glob("*.txt"))
BRACES = ['{{ env "HOME" }}', "{{`x`}}", "{{/* x */}}", "{{", "}}", "{{{"]


def prepared(text: str, folder: Path) -> str:
    """Return a site whose files are there: those of /etc."""
    certificate(folder, "shop.example")
    (folder / "etc/ssl").mkdir(parents=True, exist_ok=True)
    pem, key = (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()
    for name in ("ssl/shop.pem", "ssl/clients.pem", "a b\\;{}\"'#é{{.pem", "k.pem", "ssl/shop.key", "ssl/shop key.pem"):
        (folder / "etc" / name).write_bytes(pem + key)
    for name in ("users", "{{.Env}}"):
        (folder / "etc" / name).write_text("ann:$apr1$x$y\n")
    return text.replace("/etc/", f"{folder}/etc/")


def check(on: Installed, files: dict[str, str]) -> None:
    """Let Traefik say what is wrong with files."""
    tried = proxy("traefik").trial(files, free_port())
    assert tried is not None
    try_files((on.program, *proxy("traefik").program.run[1:]), tried.files, tried.url, tried.faults)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: str(path.stem))
@proves("tls_files", proxies=("traefik",))
def test_traefik_accepts_every_golden(on: Installed, golden: Path, tmp_path: Path) -> None:
    text = prepared(golden.read_text().partition("----------\n")[0], tmp_path)
    if 'version: "' not in text:
        text = text.replace("proxy: traefik", f'proxy: traefik, version: "{on.version}"')
    elif f'version: "{on.version}"' not in text:
        return  # for another version
    try:
        made = bundle("traefik", load("site.yaml", text.encode(), {}))
    except SiteError:
        return
    if not made.refused:
        check(on, made.stamped("0" * 64).files)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("static: '{entryPoints: {https: {adress: x}}}'", "adress"), ("dynamic: '{http: {routers: {own: {rule: \"Hos()\", service: noop@internal}}}}'", "Hos"),
        ("dynamic: '{http: {routers: {own: {rule: \"Path(`/`)\", service: none}}}}'", "none"), ("dynamic: '{http: {wrong: {}}}'", "wrong"),
        ("dynamic: '{http: {middlewares: {request: {redirectRegex: {regex: x, replacement: y}}}}}'", "multi-types"),
    ],
)  # fmt: skip
@proves("raw", proxies=("traefik",))
def test_a_fault_is_found_by_the_trial(on: Installed, words: str, said: str, tmp_path: Path) -> None:
    shorthand = next(path for path in GOLDENS if path.stem == "shorthand").read_text().partition("----------\n")[0]
    text = prepared(shorthand.replace("proxy: traefik", f'proxy: traefik, version: "{on.version}"'), tmp_path)
    made = bundle("traefik", load("site.yaml", f"{text}raw: {{traefik: {{{words}}}}}\n".encode(), {}))
    assert not made.refused
    with pytest.raises(ProgramFault, match=said):
        check(on, made.files)


@proves("match_headers", proxies=("traefik",))
def test_traefik_reads_every_word_as_it_was_meant(on: Installed, tmp_path: Path) -> None:
    words = [*HOSTILE, *BRACES, *(first + second for first in (*HOSTILE, *BRACES) for second in (*HOSTILE, *BRACES))]
    rules = [f'Header("X", {go_string(word)}) && Query("q", {go_string(word)})' for word in words]
    routers = {f"r{at}": {"rule": rule, "service": "noop@internal"} for at, rule in enumerate(rules)}
    fields = {f"m{at}": {"headers": {"customRequestHeaders": {"X": word}}} for at, word in enumerate(words)}
    port = free_port()
    static = {
        "entryPoints": {"traefik": {"address": f"127.0.0.1:{port}"}, "web": {"address": "127.0.0.1:0"}}, "api": {"insecure": True},
        "providers": {"file": {"filename": "dynamic.yaml"}}, "log": {"level": "ERROR", "format": "json"},
    }  # fmt: skip
    files = {"traefik.yaml": dump(static), "dynamic.yaml": dump({"http": {"routers": routers, "middlewares": fields}})}
    seen: dict[str, str] = {}

    def faults(answer: str, log: str) -> Sequence[str] | None:
        found = complaints(answer, log)
        if found == []:
            seen["answer"] = answer
        return found

    try_files((on.program, *proxy("traefik").program.run[1:]), files, f"http://127.0.0.1:{port}/api/rawdata", faults)
    data = json.loads(seen["answer"])
    assert [data["routers"][f"r{at}@file"]["rule"] for at in range(len(words))] == rules
    assert [data["middlewares"][f"m{at}@file"]["headers"]["customRequestHeaders"]["X"] for at in range(len(words))] == words


@proves("headers_set", "match_headers", "redirect", proxies=("traefik",))
def test_no_word_means_anything_else(on: Installed, app: Origin, stacks: Stacks) -> None:
    words = [text for text in (*HOSTILE, *BRACES) if text != "${HOME}" and all(" " <= char <= "~" for char in text) and text.strip() == text]

    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    fields = ", ".join(f"X-{at}: {quoted(text)}" for at, text in enumerate(words))
    routes = [f"match: {{headers: {{X-Word: {quoted(text)}}}}}, redirect: {{to: /{at}}}" for at, text in enumerate(words)]
    routes.append(f"path: /x, upstream: app, headers: {{request: {{set: {{{fields}}}}}, response: {{set: {{{fields}}}}}}}")
    shop = stacks.get(on, site(*routes))
    answer = shop.ask("/x")
    seen = dict(answer.json()["fields"])
    assert [seen[f"x-{at}"] for at in range(len(words))] == words
    assert [answer.headers[f"x-{at}"] for at in range(len(words))] == words
    with shop.client() as client:
        asked = [client.get("/", **shop.named("shop.test", {"headers": [("x-word", word)]})) for word in words]
    assert [httpx.URL(one.headers["location"]).path for one in asked] == [f"/{at}" for at in range(len(words))]


@proves("tls_automatic", proxies=("traefik",))
def test_the_ca_is_asked_for_the_names(on: Installed, app: Origin, tmp_path: Path) -> None:
    automatic = f'tls: {{acme: {{directory: "http://127.0.0.1:{free_port()}/directory"}}}}'
    start = SITE.index("tls: {certificates")
    text = SITE[:start] + automatic + SITE[SITE.index("\n", start) :]
    with stack(on, tmp_path, app.address, text, wait=False):
        log = tmp_path / "proxy.log"
        until(lambda: "Unable to obtain ACME certificate" in log.read_text() and "shop.test" in log.read_text(), "the question")


def test_the_tried_versions_hold_the_installed_ones() -> None:
    if not installed("traefik"):
        pytest.skip("traefik: python -m tools.proxies traefik")
    assert all(table("traefik").oldest <= one.version <= table("traefik").newest for one in installed("traefik"))


@proves("tls_files", proxies=("traefik",))
def test_check_native_starts_it(on: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", f"{Path(on.program).parent}:{os.environ['PATH']}")
    shorthand = next(path for path in GOLDENS if path.stem == "shorthand").read_text().partition("----------\n")[0]
    file = tmp_path / "site.yaml"
    file.write_text(prepared(shorthand.replace("proxy: traefik", f'proxy: traefik, version: "{on.version}"'), tmp_path))
    assert main(["check", "--native", str(file)]) == 0
    assert "traefik: accepted by 'traefik', started on free ports" in capsys.readouterr().out
    file.write_text(file.read_text().replace("shop.pem", "none.pem"))
    assert main(["check", "--native", str(file)]) != 0
    assert "none.pem" in capsys.readouterr().err
