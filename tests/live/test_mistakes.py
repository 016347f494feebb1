"""Mistakes end with one line that names them: exit 2 for a setting, 3 for an application."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import PROBE
from tests.support.process import ROOT, Server

LINE_LENGTH = 250


def outcome(app: str, *options: str, cwd: Path = ROOT, binds: tuple[str, ...] = ("127.0.0.1:0",)) -> tuple[int, str]:
    """Run it to its end; return the exit code and what it wrote."""
    server = Server(app, *options, binds=binds, cwd=cwd)
    return server.run(), server.said


def one_line(said: str) -> str:
    """Return the only line there is."""
    lines = said.splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("appserver: ")
    assert len(lines[0]) < LINE_LENGTH
    return lines[0].removeprefix("appserver: ")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# The application cannot be found


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("nowhere:app", ["'nowhere'", "{cwd}", "did you mean 'anywhere'?"]),
        ("anywhere.inner:app", ["'anywhere.inner'"]),
        ("anywhere:ap", ["has no 'ap'", "anywhere.py", "did you mean 'app'?"]),
        ("anywhere:number", ["anywhere:number", "not callable"]),
        ("anywhere:wsgi", ["anywhere:wsgi", "WSGI"]),
        ("anywhere:Asgi", ["anywhere:Asgi", "class"]),
        ("anywhere:make", ["anywhere:make", "--factory"]),
        ("any where", ["any where"]),
        (":app", [":app"]),
    ],
)
def test_an_application_that_is_not_there(tmp_path: Path, app: str, words: list[str]) -> None:
    (tmp_path / "anywhere.py").write_text(
        "async def app(scope, receive, send): ...\nnumber = 5\ndef wsgi(environ, start_response): ...\n"
        "def make(): return app\nclass Asgi:\n    async def __call__(self, scope, receive, send): ...\n"
    )
    code, said = outcome(app, cwd=tmp_path)
    line = one_line(said)
    assert code == 2
    assert [word for word in words if word.format(cwd=tmp_path) not in line] == []


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    code, said = outcome("main:app", "--app-dir", str(tmp_path / "none"))
    assert (code, "no such directory" in one_line(said)) == (2, True)


# Settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bogus"], ["--bogus"]),
        (["--bakclog", "5"], ["--bakclog", "--backlog"]),
        (["--backlog", "many"], ["--backlog", "many"]),
        (["--loop", "twisted"], ["--loop", "twisted", "uvloop"]),
        (["--timeout-graceful", "soon"], ["--timeout-graceful", "soon"]),
        (["-c", "nowhere.toml"], ["nowhere.toml"]),
        (["--forwarded-trust", "10.0.0.300"], ["10.0.0.300"]),
    ],
)
def test_a_setting_that_is_wrong(options: list[str], words: list[str]) -> None:
    code, said = outcome(PROBE, *options)
    line = one_line(said)
    assert code == 2
    assert [word for word in words if word not in line] == []


# Addresses


def test_a_port_that_is_taken(taken: int) -> None:
    code, said = outcome(PROBE, binds=(f"127.0.0.1:{taken}",))
    assert code == 2
    assert one_line(said).startswith(f"server.bind 127.0.0.1:{taken}: the address is in use")


def test_a_port_that_somebody_takes_while_the_application_is_loaded(tmp_path: Path) -> None:
    # Linux binds two sockets to one port if both have SO_REUSEADDR; only one of them may listen.
    (tmp_path / "rival.py").write_text(
        "import socket, sys\n"
        "port = int(next(word for word in sys.argv if word.startswith('127.0.0.1:')).rpartition(':')[2])\n"
        "sock = socket.create_server(('127.0.0.1', port))\n"
        "async def app(scope, receive, send): ...\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, said = outcome("rival:app", "--lifespan-mode", "off", "--log-level", "error", cwd=tmp_path, binds=(f"127.0.0.1:{port}",))
    assert code == 2
    assert one_line(said).startswith(f"server.bind 127.0.0.1:{port}: the address is in use")


def test_the_same_address_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, said = outcome(PROBE, binds=(f"127.0.0.1:{port}", f"127.0.0.1:{port}"))
    assert (code, f"127.0.0.1:{port}" in one_line(said)) == (2, True)


@pytest.mark.parametrize("bind", ["192.0.2.1:0", "no-such-host.invalid:0", "127.0.0.1:99999", "127.0.0.1", "unix:", "[::1:80"])
def test_an_address_that_cannot_be_had(bind: str) -> None:
    code, said = outcome(PROBE, binds=(bind,))
    assert (code, bind in one_line(said)) == (2, True)


def test_a_unix_path_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("keep me")
    for path in (tmp_path / "none" / "app.sock", tmp_path / "file", tmp_path, tmp_path / "file" / "app.sock"):
        code, said = outcome(PROBE, binds=(f"unix:{path}",))
        line = one_line(said.replace(str(path), "PATH"))
        assert code == 2
        assert line.startswith("server.bind unix:PATH: ")
    assert (tmp_path / "file").read_text() == "keep me"


def test_a_unix_path_that_is_too_long() -> None:
    code, said = outcome(PROBE, binds=(f"unix:/tmp/{'long' * 40}",))
    assert (code, "longer than the 107 bytes" in one_line(said.replace("long" * 40, ""))) == (2, True)


def test_a_unix_path_that_another_server_listens_on(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with Server(PROBE, binds=(f"unix:{path}",)) as server:
        code, said = outcome(PROBE, binds=(f"unix:{path}",))
        assert (code, "another server listens there" in one_line(said)) == (2, True)
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        assert server.stop() == 0


# The application fails


BROKEN = {
    "syntax": ("async def app(scope receive send): ...", "SyntaxError"),
    "raises": ("raise ValueError('no database')", "ValueError: no database"),
    "import": ("import no_such_module_of_mine", "No module named 'no_such_module_of_mine'"),
    "exit": ("import sys; sys.exit('usage: me')", "sys.exit('usage: me')"),
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_an_application_that_fails_at_import(tmp_path: Path, kind: str) -> None:
    source, words = BROKEN[kind]
    (tmp_path / "broken.py").write_text(source)
    code, said = outcome("broken:app", cwd=tmp_path)
    assert code == 3
    last = said.splitlines()[-1]
    assert last.startswith("appserver: importing 'broken'")
    assert words in last
    # Of tracebacks there is only its own.
    assert said.count("Traceback (most recent call last)") == (kind != "syntax")
    assert "appserver/" not in said
    assert "importlib" not in said


def test_a_factory_that_fails(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def make(): raise ValueError('no database')")
    code, said = outcome("broken:make", "--factory", cwd=tmp_path)
    assert code == 3
    assert said.splitlines()[-1] == "appserver: application factory broken:make failed: ValueError: no database"


def test_nothing_is_left_behind_by_a_failure(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError")
    path = tmp_path / "app.sock"
    assert outcome("broken:app", cwd=tmp_path, binds=(f"unix:{path}",))[0] == 3
    assert not path.exists()
