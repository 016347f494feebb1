"""Caddyfiles as site files, by the real `caddy adapt`; what was imported is accepted by the proxies it is for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxyconf.cli import main
from proxyconf.programs.run import ProgramFault
from proxyconf.spec.read import load
from proxyconf.verbs.imports.imported import imported
from proxyconf.verbs.site import rendered
from tests.interop.hop import installed

HERE = Path(__file__).parent / "caddyfiles"
NGINX = Path(__file__).parents[1] / "unit/proxyconf/verbs/imports"
EDGE = "listeners: {http: {redirect: https}, https: {tls: {certificates: [{cert: /etc/ssl/a.pem, key: /etc/ssl/a.key}]}}}\n"
ROUND_TRIPS = {
    "shorthand": EDGE + 'sites: [{hostnames: [shop.example], upstream: "http://127.0.0.1:8000"}]',
    "unix_http1": EDGE + 'sites: [{hostnames: [shop.example], upstream: "http://unix:/run/app.sock"}]',
    "files": EDGE + "sites: [{hostnames: [a.example], upstream: 'http://127.0.0.1:1', routes: [{path: /static/, static: {root: /srv/static}}]}]",
    "limits": EDGE + "sites: [{hostnames: [a.example], upstream: 'http://127.0.0.1:1', limits: {request_body: 20MiB}, timeouts: {connect: 2s}}]",
    "cleartext": 'listeners: {web: {address: ":8080"}}\nsites: [{hostnames: [a.example], upstream: "http://127.0.0.1:8000"}]',
}  # fmt: skip
needs_caddy = pytest.mark.skipif(not installed("caddy"), reason="Caddy is not installed")


@needs_caddy
@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.caddyfile")))
def test_a_caddyfile(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    made = imported(Path(f"{name}.caddyfile"), "caddy")
    golden = HERE / f"{name}.yaml"
    if os.environ.get("PROXYCONF_GOLDEN") == "write":
        golden.write_text(made.text)
    assert made.text == golden.read_text()
    assert made.problems == ()


@needs_caddy
@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    before = rendered(load("site.yaml", ROUND_TRIPS[name].encode(), {}), ["caddy"]).bundles["caddy"].files
    path = tmp_path / "Caddyfile"
    path.write_text(before["Caddyfile"])
    made = imported(path, "caddy")
    assert (made.remarks, made.problems) == ((), ())
    assert rendered(load("site.yaml", made.text.encode(), {}), ["caddy"]).bundles["caddy"].files == before


@needs_caddy
def test_what_caddy_cannot_read_either(tmp_path: Path) -> None:
    path = tmp_path / "Caddyfile"
    path.write_text("a.example {\n\tno_such_directive\n}\n")
    with pytest.raises(ProgramFault, match="no_such_directive"):
        imported(path, "caddy")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site.yaml"
    assert main(["import", str(NGINX / "several_apps.conf"), "-o", str(site)]) == 1
    out, err = capsys.readouterr()
    assert out == f"{site}\n"
    assert f"{NGINX}/several_apps.conf:24: not understood: limit_req zone=one burst=5" in err
    assert main(["check", str(site)]) in (0, 1), "notes and warnings at most"
    assert main(["import", str(NGINX / "several_apps.conf"), "-o", str(site)]) == 2
    assert "is there already" in capsys.readouterr().err
