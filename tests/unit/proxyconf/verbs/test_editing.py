"""`init`, `fmt` and `migrate`: what is begun is right, what is formatted means the same, comments stay."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from ruamel.yaml import YAML

from proxyconf.backend.presets import PRESETS
from proxyconf.cli import main
from proxyconf.document.findings import SiteError
from proxyconf.facts.table import tables
from proxyconf.spec.read import load
from proxyconf.verbs.fmt import formatted, migrated
from proxyconf.verbs.init import QUESTIONS, Answers, starter
from proxyconf.verbs.site import bundle
from tests.support.sites import sites

MESSY = b"""# about
sites:
    -   hostnames: [ shop.example ]   # the shop
        upstream:   app
        limits: {request_body: "${BODY:-20MiB}"}

upstreams:
    app: {protocol: h2c, servers: ["127.0.0.1:8000"], resolve: 'once'}
"""


def test_a_file_in_one_style_keeps_its_comments() -> None:
    text = formatted("s.yaml", MESSY)
    assert text.startswith("# about\nsites:\n- hostnames: [shop.example]")
    assert "# the shop" in text
    assert "${BODY:-20MiB}" in text
    assert formatted("s.yaml", text.encode()) == text


@given(sites())
@settings(max_examples=30, deadline=None)
def test_the_style_is_no_part_of_the_meaning(data: dict[str, object]) -> None:
    out = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(data, out)
    text = formatted("s.yaml", out.getvalue().replace("${", "$${").encode())
    assert formatted("s.yaml", text.encode()) == text


@pytest.mark.parametrize("raw", [b"a: [", b"a: 1\na: 2\n", b"\xff"])
def test_what_cannot_be_read_is_not_formatted(raw: bytes) -> None:
    with pytest.raises(SiteError):
        formatted("s.yaml", raw)


def test_a_file_without_a_version_is_of_the_first() -> None:
    assert migrated("s.yaml", b"# x\nsites: []\n") == "version: 1\n# x\nsites: []\n"
    assert migrated("s.yaml", b"version: 1\nsites: []\n") == "version: 1\nsites: []\n"


@pytest.mark.parametrize("proxy", tables())
@pytest.mark.parametrize("server", PRESETS)
def test_what_is_begun_is_right(proxy: str, server: str) -> None:
    text = starter(Answers("shop.example.org", proxy, server, "127.0.0.1:8000", "shop.asgi:app"))
    file = load("s.yaml", text.encode(), {})
    assert not [finding for finding in file.findings if finding.level != "note"]
    assert formatted("s.yaml", text.encode()) == text
    assert bundle("appserver", file).files
    made = bundle(proxy, file)
    refused = [finding.message for finding in made.findings if finding.level == "refused"]
    assert made.files, refused


def test_init_asks_nobody_where_nobody_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.yaml"
    assert main(["init", str(path), "--hostname", "a.example.org", "--server", "uvicorn"]) == 0
    assert "protocol: http1" in path.read_text()
    assert main(["check", str(path)]) == 0
    assert main(["init", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [("--hostname", "a b", "not a host name"), ("--proxy", "cady", "one of "), ("--listens", "80", "an address ends in a port")],
)
def test_a_wrong_flag_is_one_line(flag: str, value: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "s.yaml"), flag, value]) == 2
    assert f"proxyconf: {flag}: {words}" in capsys.readouterr().err
    assert not (tmp_path / "s.yaml").exists()


def test_init_asks_again_until_it_understands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("not a name\nb.example.org\n\n\nunix:/run/x.sock\n"))
    assert main(["init", str(tmp_path / "s.yaml")]) == 0
    err = capsys.readouterr().err
    assert [question.text in err for question in QUESTIONS] == [True] * 4
    assert "not a host name" in err
    assert "hostnames: [b.example.org]" in (tmp_path / "s.yaml").read_text()


def test_fmt_and_migrate_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(MESSY)
    path.chmod(0o600)
    assert main(["fmt", str(path), "--check"]) == 1
    assert path.read_bytes() == MESSY
    assert main(["fmt", str(path)]) == 0
    assert main(["fmt", str(path), "--check"]) == 0
    assert main(["migrate", str(path), "--check"]) == 1
    assert main(["migrate", str(path)]) == 0
    assert path.read_text().startswith("version: 1\n# about\n")
    assert path.stat().st_mode & 0o777 == 0o600
