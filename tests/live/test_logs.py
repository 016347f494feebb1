"""A disk or a reader that fails the logs: requests are answered as if nothing was, and what is lost is counted."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.conftest import PROBE
from tests.support.clients import Http1, Http2, connect
from tests.support.process import ROOT, Server, environment, until

# A disk that hangs: whoever writes to the access log waits until a file "go" is there.
SLOW_DISK = """
import os, time
from tests.support.probe import app

real = os.write

def write(fd, data):
    while os.readlink(f"/proc/self/fd/{fd}").endswith("/access") and not os.path.exists("go"):
        open("asked", "w").close()
        time.sleep(0.01)
    return real(fd, data)

os.write = write
"""


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_disk_that_hangs_holds_no_request_up(tmp_path: Path, loop: str) -> None:
    (tmp_path / "slow.py").write_text(SLOW_DISK)
    log = tmp_path / "access"
    with Server("slow:app", "--loop", loop, "--log-access", log, cwd=tmp_path) as server:
        with Http1(server.connect()) as one, Http2(server.connect()) as two:
            assert one.ask("GET", "/hello").body == b"hello"
            until((tmp_path / "asked").exists, "the log is written")
            for n in range(100):
                assert one.ask("GET", f"/slow?ms=0&id=one{n}").text == f"one{n}"
                assert two.ask("GET", f"/slow?ms=0&id=two{n}").text == f"two{n}"
        assert lines(log) == []
        (tmp_path / "go").touch()
        until(lambda: len(lines(log)) == 201, "every line is there")
        assert server.stop() == 0
    assert "dropped" not in server.said


def test_a_disk_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW_DISK)
    with Server("slow:app", "--log-access", tmp_path / "access", cwd=tmp_path) as server:
        with Http1(server.connect()) as client:
            assert client.ask("GET", "/hello").body == b"hello"
            until((tmp_path / "asked").exists, "the log is written")
        assert server.stop() == 0
    assert re.search(r"access log \S+/access: the reader or the disk is too slow; 1 lines dropped", server.said)


def test_a_disk_that_is_full_costs_lines_that_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "access"
    with Server(PROBE, "--log-access", log) as server:
        # To a process at its bound every disk is full.
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (10_000, 1_000_000))
        with Http1(server.connect()) as client:
            for _ in range(400):
                assert client.ask("GET", "/hello").body == b"hello"
            until(lambda: "File too large" in server.said, "the loss is said")
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
            for _ in range(10):
                assert client.ask("GET", "/slow?ms=0&id=x").text == "x"
        assert server.stop() == 0
    dropped = sum(map(int, re.findall(r"access log \S+/access: File too large; (\d+) lines dropped", server.said)))
    whole = [line for line in lines(log) if re.fullmatch(r'127\.0\.0\.1 - - \[[^]]+\] "GET /\w+ HTTP/1\.1" 200 \d \d+\.\d{3}ms', line)]
    assert dropped > 50
    assert len(whole) + dropped == 410
    assert sum("/slow" in line for line in whole) == 10


def test_a_device_that_is_always_full() -> None:
    with Server(PROBE, "--log-access", "/dev/full") as server:
        with Http1(server.connect()) as client:
            for _ in range(20):
                assert client.ask("GET", "/hello").body == b"hello"
        assert server.stop() == 0
    dropped = re.findall(r"access log /dev/full: No space left on device; (\d+) lines dropped", server.said)
    assert sum(map(int, dropped)) == 20


@contextmanager
def unread(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server to whose stderr nobody listens once it is ready."""
    command = [sys.executable, "-m", "appserver", PROBE, "--bind", "127.0.0.1:0", *options]
    process = subprocess.Popen(command, cwd=ROOT, env=environment({}), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stderr is not None
    try:
        said = b""
        while b"ready in" not in said:
            said += os.read(process.stderr.fileno(), 65_536)
        yield process, int(re.findall(rb"http://127\.0\.0\.1:(\d+)", said)[0])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def test_a_reader_of_stderr_that_does_not_read_holds_no_request_up() -> None:
    with unread() as (process, port):
        failed = 0
        with Http1(connect(("127.0.0.1", port))) as client:
            for _ in range(3_000):  # each leaves a traceback; a pipe takes 64 KiB, the server keeps 1 MiB
                failed += client.ask("GET", "/raise?when=start").status == 500
            assert client.ask("GET", "/hello").body == b"hello"
        assert failed == 3_000
        assert process.stderr is not None
        said = b""
        while b"lines of this log were dropped" not in said:
            said += os.read(process.stderr.fileno(), 1_048_576)
            with Http1(connect(("127.0.0.1", port))) as client:
                client.ask("GET", "/raise?when=start")
        process.terminate()
        said += process.stderr.read()
        assert process.wait(10) == 0
    kept = said.count(b"the application raised")
    assert re.search(rb"WARNING  (\d+) lines of this log were dropped: the reader or the disk is too slow", said)
    assert 100 < kept < 3_000
    assert said.splitlines()[-1].endswith(b"stopped")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_log_that_was_rotated_away_is_opened_anew_by_sigusr1(tmp_path: Path, loop: str) -> None:
    log, old = tmp_path / "access", tmp_path / "access.1"
    with Server(PROBE, "--loop", loop, "--log-access", log) as server:
        with Http1(server.connect()) as client:
            assert client.ask("GET", "/hello").body == b"hello"
            until(lambda: len(lines(log)) == 1, "the first line")
            log.rename(old)
            server.signal(signal.SIGUSR1)
            until(log.exists, "a new file")
            assert client.ask("GET", "/echo").status == 200
            until(lambda: len(lines(log)) == 1, "the second line")
        assert server.stop() == 0
    assert [len(lines(old)), len(lines(log))] == [1, 1]


def test_without_an_access_log_sigusr1_does_nothing() -> None:
    with Server(PROBE) as server:
        server.signal(signal.SIGUSR1)
        with Http1(server.connect()) as client:
            assert client.ask("GET", "/hello").body == b"hello"
        assert server.stop() == 0


def test_what_was_refused_is_logged_as_far_as_it_was_read(tmp_path: Path) -> None:
    log = tmp_path / "access"
    heads = ["GET /a?secret HTTP/2.0", "CONNECT a.test:443 HTTP/1.1", "GET /b HTTP/1.x", "G@T / HTTP/1.1"]
    with Server(PROBE, "--log-access", log) as server:
        for head in heads:
            with Http1(server.connect()) as client:
                client.send(f"{head}\r\nHost: a.test\r\n\r\n".encode())
                assert client.answer().status >= 400
        until(lambda: len(lines(log)) == len(heads), "a line for each")
        assert server.stop() == 0
    assert [line.split('"', 1)[1].rsplit(" ", 2)[0] for line in lines(log)] == [
        'GET /a HTTP/2.0" 505', 'CONNECT a.test:443 HTTP/1.1" 501', 'GET /b HTTP/1.1" 400', '- - HTTP/1.1" 400',
    ]  # fmt: skip
