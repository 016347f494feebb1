"""The command line: exit codes, one clear line per mistake, never a traceback."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxyconf.cli import main

SITE = 'appserver: {app: "shop.asgi:app"}\nsites: [{hostnames: [shop.example], upstream: "h2c://127.0.0.1:8000"}]\n'
DEMO = Path(__file__).resolve().parents[4] / "examples/demo/site.yaml"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return path


def test_render_prints(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "caddy", str(site)]) == 0
    out, err = capsys.readouterr()
    assert "reverse_proxy 127.0.0.1:8000" in out
    assert out.startswith("# Written by proxyconf ")
    assert err == ""


def test_render_is_deterministic(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "all", str(site)]) == 0
    first = capsys.readouterr().out
    assert main(["render", "all", str(site)]) == 0
    assert capsys.readouterr().out == first


def test_render_writes_files_that_owner_and_group_may_read(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a" / "b"
    assert main(["render", "all", str(site), "-o", str(folder)]) == 0
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == ["Caddyfile", "appserver.toml"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o640}
    assert capsys.readouterr().out.splitlines() == [str(path) for path in files]
    assert tomllib.loads(files[1].read_text())["server"]["app"] == "shop.asgi:app"


def test_check_says_fine(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(site)]) == 0
    assert capsys.readouterr().out == f"{site}: fine for caddy 2.11.7, appserver\n"


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["sites"]


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("proxyconf ")
    assert main([]) == 0
    assert main(["render", "--help"]) == 0
    assert "--output" in capsys.readouterr().out


def test_the_demo_site(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"HTTPS_PORT": "8443", "APP_PORT": "8000", "CERT": "/c/cert.pem", "KEY": "/c/key.pem"}
    settings = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    assert main(["render", "all", str(DEMO), *settings]) == 0
    out = capsys.readouterr().out
    for expected in (
        "https://demo.localhost:8443 {",
        "tls /c/cert.pem /c/key.pem",
        "max_size 32MiB",
        'bind = ["127.0.0.1:8000"]',
    ):
        assert expected in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["render", "cady", "SITE"], 2, "there is no target 'cady'; did you mean 'caddy'?"),
        (["rendr"], 2, 'Unknown command "rendr"'),
        (["render", "caddy"], 2, "requires an argument"),
        (["render", "caddy", "SITE", "--bogus"], 2, "Unknown option"),
        (["render", "caddy", "SITE", "--set", "X"], 2, "--set takes NAME=VALUE, not 'X'"),
        (["check", "DIR/none.yaml"], 2, "none.yaml: cannot be read: No such file or directory"),
        (["template", "export", "cady"], 2, "there is no proxy 'cady'; did you mean 'caddy'?"),
        (["template", "import", "caddy"], 2, "template knows no 'import'; did you mean 'export'?"),
        (["render", "caddy", "SITE", "--template", "DIR/mine.j2"], 2, "caddy has no template mine.j2; it has: Caddyfile.j2"),
        (["render", "all", "SITE", "--template", "DIR/mine.j2"], 2, "belongs to one proxy"),
        (["check", "DIR"], 2, "cannot be read: Is a directory"),
        (["render", "caddy", "SITE", "-o", "SITE"], 2, "cannot be written: Not a directory"),
        (["render", "caddy", "SITE", "-o", "SITE/x"], 2, "cannot be written: Not a directory"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], code: int, words: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.replace("SITE", str(site)).replace("DIR", str(site.parent)) for word in arguments]
    assert main(given) == code
    out, err = capsys.readouterr()
    assert words in err
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (b"sites: [{hostnames: [x.example.org], upstream: app}]", 2, "1:48: PC301 there is no upstream 'app'"),
        (b"\xff", 2, "1:1: PC101 not UTF-8"),
        (
            b'targets: [{proxy: cady}]\nsites: [{hostnames: [x.example.org], upstream: "h2c://a:1"}]',
            2,
            "1:19: PC410 there is no proxy 'cady'; did you mean",
        ),
        (
            b'targets: [{proxy: caddy, version: "2.1"}]\nsites: [{hostnames: [x.example.org], upstream: "h2c://a:1"}]',
            3,
            "1:35: PC404 caddy 2.1.0 is older",
        ),
        (
            b'targets: [{proxy: caddy, version: "3"}]\nsites: [{hostnames: [x.example.org], upstream: "h2c://a:1"}]',
            0,
            "1:35: PC405 note: caddy 3.0.0 is newer",
        ),
        (
            b'appserver: {app: "a:b"}\nsites: [{hostnames: [x.example.org], upstream: "h2c://a:1"}]',
            2,
            "1:12: PC503 where does the app server listen?",
        ),
    ],
)
def test_what_a_site_gets_wrong_has_its_place(
    text: bytes, code: int, words: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_bytes(text)
    assert main(["check", str(site)]) == code
    assert f"{site}:{words}" in capsys.readouterr().err


@contextmanager
def not_root() -> Iterator[None]:
    """Be a user who may not read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_an_unreadable_file(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.chmod(0)
    with not_root():
        assert main(["check", str(site)]) == 2
    assert "Permission denied" in capsys.readouterr().err


def test_a_missing_program_is_5(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert main(["check", "--native", str(site)]) == 5
    assert "caddy is not installed" in capsys.readouterr().err
    site.write_text(f"targets: [{{proxy: caddy, version: auto}}]\n{SITE}")
    assert main(["render", "caddy", str(site)]) == 5


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("exit 0", 0, "accepted by 'caddy validate"),
        ('echo \'{"level":"error","msg":"no such\\u0007 file"}\' >&2; exit 1', 4, "says: no such  file"),
        ("printf 'a\\nlast \\033[1m line\\n' >&2; exit 1", 4, "says: last  [1m line"),
        ("exit 7", 4, "says: exit 7"),
    ],
)
def test_what_the_program_says(
    script: str,
    code: int,
    words: str,
    site: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = tmp_path / "caddy"
    program.write_text(f'#!/bin/sh\n[ "$HOME" = "$PWD" ] || exit 9\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert main(["check", "--native", str(site)]) == code
    out, err = capsys.readouterr()
    assert words in out + err


def test_version_auto_asks_the_program(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "caddy"
    program.write_text("#!/bin/sh\necho v2.11.4 h1:abc=\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + ":" + os.environ["PATH"])
    site.write_text(f"targets: [{{proxy: caddy, version: auto}}]\n{SITE}")
    assert main(["check", str(site)]) == 0
    assert "caddy 2.11.4" in capsys.readouterr().out
    program.write_text("#!/bin/sh\necho what\n")
    assert main(["check", str(site)]) == 4
    assert "names no version" in capsys.readouterr().err


def test_what_cannot_be_printed_is_escaped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff.yaml")
    assert main(["check", name]) == 2
    assert "cannot be read" in capfd.readouterr().err


def test_nothing_is_left_when_writing_fails(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    folder = tmp_path / "out"
    assert main(["render", "caddy", str(site), "-o", str(folder)]) == 2
    assert list(folder.iterdir()) == []


def test_a_template_goes_out_is_changed_and_comes_back(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["template", "export", "caddy", "-o", str(tmp_path)]) == 0
    mine = tmp_path / "Caddyfile.j2"
    mine.write_text("# ours: {{ grace_period }}\n" + mine.read_text())
    capsys.readouterr()
    assert main(["render", "caddy", str(site), "--template", str(mine)]) == 0
    assert "\n# ours: 30s\n{\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [("{{ nothing }}", "'nothing' is undefined"), ("{% if %}", "Caddyfile.j2:1: "), ("{{ blocks[0] }}", "not Block"),
     ("{{ ''.__class__ }}", "access to attribute")],
)  # fmt: skip
def test_a_template_that_is_wrong_is_one_line(
    text: str, words: str, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "Caddyfile.j2"
    mine.write_text(text)
    assert main(["render", "caddy", str(site), "--template", str(mine)]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert (out, err.count("\n")) == ("", 1)


def test_drift_and_diff(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    assert main(["render", "all", str(site), "-o", str(folder)]) == 0
    assert main(["drift", str(site), str(folder)]) == 0
    assert main(["render", "all", str(site), "-o", str(folder), "--check"]) == 0
    other = tmp_path / "other.yaml"
    other.write_text(SITE.replace("8000", "8001"))
    capsys.readouterr()
    assert main(["drift", str(other), str(folder)]) == 1
    out, err = capsys.readouterr()
    assert f"{folder}/Caddyfile: was written from another site file" in err
    assert "-\treverse_proxy 127.0.0.1:8000 {" in out
    assert main(["diff", str(site), str(site)]) == 0
    assert main(["diff", str(site), str(other), "--target", "appserver"]) == 1
    assert '+bind = ["127.0.0.1:8001"]' in capsys.readouterr().out


@pytest.mark.parametrize("form", ["json", "sarif", "github", "junit"])
@pytest.mark.parametrize("text", [SITE, "sites: [", SITE.replace("8000", "99999")])
def test_check_in_other_forms(site: Path, capsys: pytest.CaptureFixture[str], form: str, text: str) -> None:
    site.write_text(text)
    assert main(["check", str(site), "--format", form]) == (0 if text == SITE else 2)
    out, err = capsys.readouterr()
    assert err == ""
    assert ("PC" in out) == (text != SITE)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["matrix", "nginx", "--since", "1.28"], 0, "1.29.0  can: early_hints"), (["matrix"], 0, "early_hints"),
        (["matrix", "--json"], 0, '"proof"'), (["explain", "PC401"], 0, "refused"), (["schema", "--docs"], 0, "# Site file"),
        (["matrix", "--since", "1"], 2, "name it"), (["matrix", "nginks"], 2, "did you mean 'nginx'?"),
        (["matrix", "nginx", "--since", "x"], 2, "takes a version such as"), (["explain", "PC4011"], 2, "did you mean 'PC411'?"),
        (["render", "caddy", "SITE", "--check"], 2, "add --output FOLDER"),
        (["check", "SITE", "--format", "jsn"], 2, "did you mean 'json'?"),
    ],
)  # fmt: skip
def test_other_commands(arguments: list[str], code: int, words: str, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word.replace("SITE", str(site)) for word in arguments]) == code
    out, err = capsys.readouterr()
    assert words in (out if code == 0 else err)
