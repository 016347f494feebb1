"""From the command to the first answer: addresses, the banner, where the module is found, what is loaded."""

from __future__ import annotations

import os
import platform
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.conftest import PROBE
from tests.support.clients import Http1, Http2, connect
from tests.support.process import ENGINES, Server, best, demand, until

# What a worker with the kernel on uvloop loads beside Python, asyncio and uvloop, and what for. Each new name
# costs every worker memory and start-up time.
ALLOWED = {
    "appserver": "the product",
    "argparse": "the command line",
    "gettext": "argparse",
    "dataclasses": "the options",
    "copy": "dataclasses",
    "_ctypes": "ctypes",
    "ctypes": "how much freed memory the allocator keeps",
    "ipaddress": "who is trusted, and who the client is",
    "grp": "whom a unix socket belongs to",
    "pwd": "the same",
    "http": "the phrases of HTTP/1.1's status lines",
    "queue": "a thread of its own writes the logs",
    "urllib": "paths are percent-decoded",
    "zlib": "WebSocket messages are compressed",
    "__future__": "annotations",
}
FORBIDDEN = {"appserver.h2.pure", "appserver.config.file", "appserver.config.show", "importlib.metadata"}
BARE = "import asyncio, runpy, sys, uvloop; print(*sys.modules)"  # runpy: the server is started by -m
LOADED = """
import sys
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": " ".join(sys.modules).encode()})
"""


def hello(address: tuple[str, int] | str, protocol: type[Http1] | type[Http2] = Http1) -> bytes:
    with protocol(connect(address)) as client:
        return bytes(client.ask("GET", "/hello").body)


def port(address: str) -> int:
    return int(address.rpartition(":")[2])


# The banner


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_banner_says_what_runs(engine: str, loop: str) -> None:
    with Server(PROBE, "--h2-engine", demand(engine), "--loop", loop) as server:
        assert hello(("127.0.0.1", server.port), Http2) == b"hello"
        assert server.stop() == 0
    # An older libnghttp2 has a line for each limiter that it lacks.
    banner, listening, ready, *_ = [line for line in server.lines if "this libnghttp2 has no" not in line]
    assert f"{PROBE} with {engine} engine" in banner
    assert (", uvloop " in banner, ", asyncio, " in banner) == (loop == "uvloop", loop == "asyncio")
    assert banner.endswith(f"Python {platform.python_version()}")
    assert listening.endswith(f"listening on {server.url}")
    assert "ready in 0." in ready


def test_the_best_that_is_there_is_chosen() -> None:
    with Server(PROBE) as server:
        assert f"{best()} engine" in server.lines[0]
        assert "uvloop" in server.lines[0]


def test_quiet_unless_something_is_wrong(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    server = Server(PROBE, "--log-level", "warning", binds=(f"unix:{path}",))
    server.start()
    try:
        until(lambda: os.path.exists(path) and answers(path), "it answers")
        assert hello(path) == b"hello"
        assert server.stop() == 0
        assert server.said == ""
    finally:
        server.leave()


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


# Addresses


def test_both_protocols_on_one_port() -> None:
    with Server(PROBE) as server:
        for protocol in (Http1, Http2):
            assert hello(("127.0.0.1", server.port), protocol) == b"hello"


def test_several_addresses(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    with Server(PROBE, binds=("127.0.0.1:0", "127.0.0.2:0", f"unix:{path}")) as server:
        first, second, third = server.addresses
        assert first.startswith("http://127.0.0.1:")
        assert second.startswith("http://127.0.0.2:")
        assert third == f"unix:{path}"
        for address in (("127.0.0.1", port(first)), ("127.0.0.2", port(second)), path):
            assert hello(address) == hello(address, Http2) == b"hello"
        assert server.stop() == 0


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    with Server(PROBE, binds=("[::1]:0",)) as server:
        assert server.url.startswith("http://[::1]:")
        with Http2(socket.create_connection(("::1", server.port))) as client:
            assert '"client": ["::1", ' in client.ask("GET", "/scope").text


def test_every_interface_is_one_port() -> None:
    with Server(PROBE, binds=(":0",)) as server:
        assert len({port(address) for address in server.addresses}) == 1
        assert hello(("127.0.0.1", server.port)) == b"hello"


# Unix sockets


@pytest.mark.parametrize(("options", "mode"), [((), 0o660), (("--unix-mode", "0600"), 0o600), (("--unix-mode", "0666"), 0o666)])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_unix_socket_has_its_mode_and_goes_with_the_server(tmp_path: Path, options: tuple[str, ...], mode: int, loop: str) -> None:
    path = tmp_path / "app.sock"
    with Server(PROBE, "--loop", loop, *options, binds=(f"unix:{path}",)) as server:
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        with Http2(connect(str(path))) as client:
            scope = client.ask("GET", "/scope").text
            assert '"client": null' in scope
            assert f'"server": ["{path}", null]' in scope
        assert server.stop() == 0
    assert not path.exists()


def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with Server(PROBE, binds=(f"unix:{path}",)):
        assert hello(str(path)) == b"hello"


def test_a_unix_socket_that_another_took_over_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with Server(PROBE, binds=(f"unix:{path}",)) as server:
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen()
            assert server.stop() == 0
            assert path.exists()


# HTTP/1.1 switched off


@pytest.mark.parametrize("body", [None, b"", bytes(3_000_000)], ids=["GET", "POST", "POST of 3 MB"])
def test_without_http1_it_is_answered_505(body: bytes | None) -> None:
    with Server(PROBE, "--no-http1") as server:
        with Http1(server.connect()) as client:
            try:
                client.request("GET" if body is None else "POST", "/hello", body=body)
            except (BrokenPipeError, ConnectionResetError):
                assert body  # the answer is there, and may be read
            answer = client.answer()
            assert (answer.status, answer["connection"], answer.whole) == (505, "close", True)
            assert "HTTP/2 only" in answer.text
            assert answer.text.endswith("\n")
            assert answer["date"].endswith(" GMT")
            assert client.is_closed()
        assert hello(("127.0.0.1", server.port), Http2) == b"hello"


def test_the_505_obeys_what_every_answer_does_and_is_in_the_access_log(tmp_path: Path) -> None:
    log = tmp_path / "access"
    with Server(PROBE, "--no-http1", "--no-date-header", "--server-header", "here", "--log-access", log) as server:
        with Http1(server.connect()) as client:
            answer = client.ask("GET", "/hello?token=secret")
        assert (answer.status, answer["server"], answer["date"]) == (505, "here", "")
        assert server.stop() == 0
    (line,) = log.read_text().splitlines()
    assert line.startswith("127.0.0.1 - - [")
    assert f'"GET /hello HTTP/1.1" 505 {answer.size} ' in line


# The application


APP = '''
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": os.getcwd().encode()})
def make():
    return app
class Box:
    inner = app
'''


@pytest.mark.parametrize(
    ("name", "options"),
    [("main:app", ()), ("main", ()), ("main:make", ("--factory",)), ("main:Box.inner", ()), ("pkg.web:app", ())],
)
def test_the_module_is_found_from_the_current_directory(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "web.py").write_text(APP)
    with Server(name, *options, cwd=tmp_path) as server:
        assert hello(("127.0.0.1", server.port)) == str(tmp_path).encode()


def test_the_module_is_found_in_another_directory(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(APP)
    with Server("elsewhere:app", "--app-dir", tmp_path) as server:
        assert hello(("127.0.0.1", server.port)) == os.getcwd().encode()


def test_settings_come_from_a_file_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "appserver.toml").write_text('[server]\napp = "main:app"\nhttp1 = false\n')
    server = Server("main:app", "-c", "appserver.toml", cwd=tmp_path, env={"APPSERVER_LOOP": "asyncio"})
    with server:
        assert ", asyncio, " in server.lines[0]
        with Http1(server.connect()) as client:
            assert client.ask("GET", "/").status == 505


# What is loaded


def test_a_worker_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(LOADED)
    with Server("tiny:app", "--h2-engine", demand("kernel"), "--loop", "uvloop", cwd=tmp_path) as server:
        with Http1(server.connect()) as client:
            client.ask("GET", "/")
        with Http2(server.connect()) as client:
            loaded = set(client.ask("GET", "/").text.split())
    bare = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=True).stdout.split()
    found = {name.partition(".")[0] for name in loaded.difference(bare)}
    # Cython's own module is named for its version; a library's own packages are its own business.
    assert {name for name in found if not name.startswith("_cython")} - {"tiny"} - set(ALLOWED) == set()
    assert loaded & FORBIDDEN == set()
