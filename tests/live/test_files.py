"""Files on a real server: Starlette's FileResponse as it is, over HTTP/1.1, h2c and both through TLS."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.test_clients import program
from tests.live.conftest import FAULTS, LOOPS
from tests.support.certificates import Authority
from tests.support.process import ENGINES, Server, demand, until

SIZES = {"empty": 0, "small": 100_000, "large": 10_000_000}
HUGE = 32_000_000
APP = "tests.support.files_app:app"
PROTOCOLS = {
    "h1": ("http", "--http1.1"), "h2c": ("http", "--http2-prior-knowledge"),
    "h1-tls": ("https", "--http1.1"), "h2-tls": ("https", "--http2"),
}  # fmt: skip


class Answer(NamedTuple):
    code: int
    status: int
    body: bytes
    head: str


class Site:
    """One server with a clear and a TLS listener, asked with curl."""

    def __init__(self, server: Server, folder: Path, ports: dict[str, int], log: Path) -> None:
        self.server, self.folder, self.ports, self.log = server, folder, ports, log

    def ask(self, protocol: str, path: str, *more: str, seconds: float = 60) -> Answer:
        scheme, version = PROTOCOLS[protocol]
        url = f"{scheme}://127.0.0.1:{self.ports[scheme]}{path}"
        run = subprocess.run(
            [program("curl"), "-sk", version, "-m", str(seconds), "-D", "/dev/stderr", "-o", "-", *more, url],
            capture_output=True, check=False,
        )  # fmt: skip
        head = run.stderr.decode("latin-1")
        status = int(head.split()[1]) if head else 0
        return Answer(run.returncode, status, run.stdout, head.lower())

    def open_files(self) -> list[str]:
        """Return what the server has open of the folder."""
        found = []
        for link in Path(f"/proc/{self.server.pid}/fd").iterdir():
            try:
                target = os.readlink(link)
            except FileNotFoundError:
                continue  # closed meanwhile
            if target.startswith(str(self.folder)):
                found.append(target)
        return found

    def file(self, name: str, size: int) -> Path:
        path = self.folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, size in SIZES.items():
        (folder / name).write_bytes(random.Random(size).randbytes(size))
    return folder


@pytest.fixture(scope="module", params=ENGINES)
def site(
    request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    engine = demand(request.param)
    own = tmp_path_factory.mktemp("site")
    issued = Authority().issue(own, "a", ["a.test"])
    log = own / "access.log"
    config = own / "appserver.toml"
    config.write_text(
        f'[[listener]]\nbind = "127.0.0.1:0"\ncertfile = "{issued.certfile}"\nkeyfile = "{issued.keyfile}"\n'
    )
    options = ("-c", config, "--h2-engine", engine, "--loop", LOOPS[engine], "--log-access", log)
    with Server(APP, *options, env={"FILES": str(folder)}) as server:
        ports = {url.partition(":")[0]: int(url.rpartition(":")[2]) for url in server.addresses}
        site = Site(server, folder, ports, log)
        yield site
        until(lambda: site.open_files() == [], f"no file is open: {site.open_files()}")
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_starlettes_file_response(site: Site, protocol: str, name: str) -> None:
    expected = (site.folder / name).read_bytes()
    for path in (f"/starlette/{name}", f"/static/{name}"):
        answer = site.ask(protocol, path)
        assert (answer.code, answer.status) == (0, 200)
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(expected).digest()
        assert f"content-length: {len(expected)}\r\n" in answer.head


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_its_ranges_heads_and_conditions(site: Site, protocol: str) -> None:
    expected = (site.folder / "large").read_bytes()
    one = site.ask(protocol, "/starlette/large", "-r", "1000000-1999999")
    assert (one.code, one.status, one.body) == (0, 206, expected[1_000_000:2_000_000])
    several = site.ask(protocol, "/starlette/large", "-r", "0-9,9999990-")
    assert (several.code, several.status) == (0, 206)
    assert expected[:10] in several.body
    assert expected[-10:] in several.body
    assert site.ask(protocol, "/starlette/large", "-r", "20000000-").status == 416
    head = site.ask(protocol, "/starlette/large", "-I")
    assert (head.code, head.status) == (0, 200)
    assert "content-length: 10000000\r\n" in head.head
    etag = next(line for line in head.head.splitlines() if line.startswith("etag:")).split()[1]
    unchanged = site.ask(protocol, "/static/large", "-H", f"If-None-Match: {etag}")
    assert (unchanged.code, unchanged.status, unchanged.body) == (0, 304, b"")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_path_without_a_length_and_parts_of_a_descriptor(site: Site, protocol: str) -> None:
    expected = (site.folder / "large").read_bytes()
    assert site.ask(protocol, "/path/large").body == expected
    assert site.ask(protocol, "/part/large?offset=5&count=3000000").body == expected[5:3_000_005] + b"<end>"
    assert site.ask(protocol, "/part/large").body == expected + b"<end>"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_that_shrinks_is_no_whole_answer(site: Site, protocol: str) -> None:
    path = site.file(f"shrinks-{protocol}", HUGE)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(site.ask, protocol, f"/sent/{path.name}", "--limit-rate", "20M")
        until(lambda: str(path) in site.open_files(), "the file is being sent")
        os.truncate(path, HUGE // 2)
        answer = asking.result()
    assert answer.code in (18, 56, 92)  # cut, reset, or a stream that was not closed cleanly
    assert answer.status == 200
    assert len(answer.body) <= HUGE // 2
    until(lambda: f"{str(path)!r} has " in site.server.said, "the log names the file")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_that_is_gone_is_no_whole_answer(site: Site, protocol: str) -> None:
    answer = site.ask(protocol, "/sent/none")
    assert answer.code in (18, 56, 92)
    assert answer.body == b""
    until(lambda: f"No such file or directory: '{site.folder}/none'" in site.server.said, "the log names the file")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_leaves_leaves_nothing_open(site: Site, protocol: str) -> None:
    path = site.file(f"left-{protocol}", HUGE)
    answer = site.ask(protocol, f"/starlette/{path.name}", "--limit-rate", "10K", seconds=0.5)
    assert answer.code == 28  # its time was over
    until(lambda: site.open_files() == [], f"no file is open: {site.open_files()}")


@pytest.mark.parametrize("protocol", ["h1", "h2c"])
def test_many_at_once_take_few_threads(site: Site, protocol: str) -> None:
    expected = hashlib.sha256((site.folder / "large").read_bytes()).digest()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: site.ask(protocol, "/starlette/large").body, range(24)))
    assert {hashlib.sha256(body).digest() for body in answers} == {expected}
    names = [(task / "comm").read_text() for task in Path(f"/proc/{site.server.pid}/task").iterdir()]
    # Starlette's own stat is a thread of anyio's; Python 3.14 names them.
    assert len([name for name in names if name.startswith("appserver-files")]) <= 8


def test_a_stop_lets_a_file_be_finished(folder: Path) -> None:
    path = folder / "drained"
    with path.open("wb") as file:
        file.truncate(HUGE)
    with Server(APP, env={"FILES": str(folder)}) as server, server.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.sendall(b"GET /starlette/drained HTTP/1.1\r\nHost: a\r\n\r\n")
        got = len(sock.recv(1_000))
        server.signal(signal.SIGTERM)
        until(lambda: ": stopping, 1 in flight" in server.said, "the stop has begun")
        while data := sock.recv(1 << 20):
            got += len(data)
        assert got > HUGE
        assert server.wait() == 0


def test_the_access_log_counts_the_bytes(site: Site) -> None:
    path = site.file("counted", 3_000_000)
    site.ask("h1", f"/static/{path.name}")
    until(lambda: '"GET /static/counted HTTP/1.1" 200 3000000 ' in site.log.read_text(), "the log counts")
