"""Every verb with what users get wrong: one clear line, a documented exit code, nothing written, no traceback."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from proxyconf.cli import main
from proxyconf.cli.app import app

SITE = 'appserver: {app: "shop.asgi:app"}\nsites: [{hostnames: [shop.example], upstream: "h2c://127.0.0.1:8000"}]\n'
# Each verb that reads a site file; S is the file.
READERS = (
    "check S", "check S S", "render caddy S", "render all S", "render appserver S", "drift S folder", "diff S good.yaml",
    "diff good.yaml S", "pair S", "fmt S", "migrate S", "verify S", "report S", "apply caddy S -o folder", "import S", "import S --proxy caddy",
)  # fmt: skip
FILES = {"missing": "missing.yaml", "empty": "empty.yaml", "a folder": "folder", "binary": "binary.yaml", "unreadable": "loop.yaml"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(SITE)
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "folder").mkdir()
    return tmp_path


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("verb", READERS)
def test_a_file_that_is_no_site(verb: str, kind: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = FILES[kind]
    before = sorted(place.rglob("*"))
    code, out, err = said([name if word == "S" else word for word in verb.split()], capsys)
    assert (code, out) == (2, "")
    assert name in err
    assert all(line.startswith((f"{name}:", "proxyconf: ")) for line in err.splitlines()), err
    assert sorted(place.rglob("*")) == before


WRONG = {
    "render caddyy good.yaml": (2, "there is no target 'caddyy'; did you mean 'caddy'?"),
    "apply caddyy good.yaml -o folder": (2, "there is no proxy 'caddyy'; did you mean 'caddy'?"),
    "apply appserver good.yaml -o folder": (2, "there is no proxy 'appserver'"),
    "apply caddy good.yaml": (2, "--output"),
    "apply caddy good.yaml -o folder --within 0s": (2, "--within: a duration is more than 0"),
    "apply caddy good.yaml -o folder --within soon": (2, "--within: a duration is a whole number and a unit, such as 30s"),
    "apply caddy good.yaml -o folder --reload ''' --health off": (2, "--reload: No closing quotation"),
    "apply caddy good.yaml -o folder": (2, "targets: [{proxy: caddy, admin: unix:/run/caddy/admin.sock}]"),
    "apply haproxy good.yaml -o folder": (2, "how the running haproxy is reached is not known; give --pid-file FILE"),
    "apply nginx good.yaml -o folder": (2, "give --pid-file FILE"),
    "apply envoy good.yaml -o folder": (2, "give the command that restarts it"),
    "apply caddy good.yaml -o folder --reload true --health ftp://x": (2, "--health 'ftp://x' is no URL of a site"),
    "apply caddy good.yaml -o folder --reload true --health https://x --ca no.pem": (2, "--ca no.pem: there is no such file"),
    "import good.yaml --proxy apache": (2, "cannot import from 'apache'; known here: caddy, nginx"),
    "report good.yaml --format pdf": (2, "there is no format 'pdf'"),
    "report good.yaml --verified missing": (2, "missing: cannot be read: No such file or directory"),
    "report good.yaml -o empty.yaml/x.html": (2, "cannot be written: "),
    "check good.yaml missing.yaml": (2, "missing.yaml: cannot be read"),
    "check good.yaml good.yaml --format json": (2, "--format json is about one site file"),
    "check": (2, "check needs a site file"),
    "fmt": (2, "fmt needs a site file"),
    "check good.yaml --natve": (2, "Unknown option: --natve."),
    "render caddy good.yaml -o empty.yaml": (2, "cannot be written: "),
    "pair good.yaml -o empty.yaml/sub": (2, "cannot be written: "),
    "drift good.yaml missing": (1, "missing/Caddyfile: is not there"),
    "matrix nginxx": (2, "there is no proxy 'nginxx'; did you mean 'nginx'?"),
    "explain PC999": (2, "there is no rule, feature or key 'PC999'"),
    "init good.yaml": (2, "good.yaml is there already"),
    "import -": (2, "import reads a file"),
    "no-such-verb": (2, "Unknown command"),
}  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage(line: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, words = WRONG[line]
    found, _, err = said(["'" if word == "'''" else word for word in line.split()], capsys)
    assert (found, words in err) == (code, True), err
    assert "Traceback" not in err


def test_a_file_that_may_not_be_replaced_is_left(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "folder/Caddyfile").write_text("by hand\n")
    for line in ("render caddy good.yaml -o folder", "apply caddy good.yaml -o folder --reload true --health off --allow-missing"):
        code, _, err = said(line.split(), capsys)
        assert (code, err) == (2, "proxyconf: folder/Caddyfile: was not written by proxyconf; --force replaces it\n")
    assert sorted(path.name for path in (place / "folder").iterdir()) == ["Caddyfile"]


@pytest.mark.parametrize("verb", ["check -", "render caddy -", "pair -", "fmt -", "migrate -", "report -", "diff - good.yaml"])
def test_stdin(verb: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SITE.encode())))
    assert said(verb.split(), capsys)[0] == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sites: 1\n")))
    code, _, err = said(verb.split(), capsys)
    if verb.split()[0] not in ("fmt", "migrate"):  # they read the text, not the model
        assert code == 2
        assert err.startswith("<stdin>:1:8: PC")


@pytest.mark.parametrize("verb", sorted({name for names in app for name in [names] if not names.startswith("-")}))
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said([verb, "--help"], capsys)
    assert (code, err) == (0, "")
    assert f"Usage: proxyconf {verb}" in out


def test_no_verb_is_missing_here() -> None:
    here = {line.split()[0] for line in READERS}
    without = {"explain", "init", "matcher", "matrix", "schema", "template"}
    assert {name for name in app if not name.startswith("-")} == here | without


@pytest.mark.parametrize("line", ["render caddy good.yaml -o /proc/nowhere", "pair good.yaml -o /proc/nowhere", "report good.yaml -o /proc/x.html",
                                  "apply caddy good.yaml -o /proc/nowhere --reload true --health off"])  # fmt: skip
def test_where_nobody_may_write(line: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "")
    code, _, err = said([*line.split(), *(["--allow-missing"] if "apply" in line else [])], capsys)
    assert code == 2
    assert "proxyconf: /proc/" in err
    assert "cannot be written: No such file or directory" in err
