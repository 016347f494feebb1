"""Programs that others wrote, as clients: curl, nghttp, h2load, Go, Node and Java."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import FAULTS, LOOPS, PROBE, Talk
from tests.support.clients import Http1
from tests.support.process import ENGINES, Server, demand

CLIENTS = Path(__file__).parent / "clients"
GO = (1, 24)  # http.Protocols
SECONDS = 60


def program(name: str) -> str:
    """Return a program's path; without it skip, or fail where CI has to have it."""
    path = shutil.which(name)
    return path if path is not None else missing(f"{name} is not installed")


def missing(what: str) -> str:
    if os.environ.get("LASTHOP_CI"):
        pytest.fail(what)
    pytest.skip(what)


def run(*command: object, stdin: bytes = b"", **environment: str) -> str:
    """Run a program; return what it wrote to stdout."""
    done = subprocess.run(
        [str(word) for word in command], input=stdin, capture_output=True,
        env={**os.environ, **environment}, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("utf-8", "replace")


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    engine = demand(request.param)
    with Server(PROBE, "--h2-engine", engine, "--loop", LOOPS[engine]) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


# curl


@pytest.fixture(params=["--http2-prior-knowledge", "--http1.1"], ids=["h2", "h1"])
def curl(request: pytest.FixtureRequest) -> tuple[object, ...]:
    return (program("curl"), "-sS", "--max-time", 20, request.param)


@pytest.fixture
def big(tmp_path: Path) -> tuple[Path, str]:
    """A file of 5 MB and its digest."""
    body = random.Random(5).randbytes(5_000_000)
    (tmp_path / "big").write_bytes(body)
    return tmp_path / "big", hashlib.sha256(body).hexdigest()


def version(curl: tuple[object, ...]) -> str:
    return "2" if "--http2-prior-knowledge" in curl else "1.1"


def test_curl_gets(server: Server, curl: tuple[object, ...]) -> None:
    said = run(*curl, "-w", " %{http_version} %{http_code}", f"{server.url}/hello")
    assert said == f"hello {version(curl)} 200"


def test_curl_goes_on_with_a_connection(server: Server) -> None:
    # Not over HTTP/2: curl 7.88 fails to, whoever serves.
    said = run(program("curl"), "-sS", "-w", " %{num_connects}\n", *[f"{server.url}/hello"] * 3)
    assert said.splitlines() == ["hello 1", "hello 0", "hello 0"]


def test_curl_posts(server: Server, curl: tuple[object, ...], big: tuple[Path, str]) -> None:
    file, digest = big
    said = json.loads(run(*curl, "--data-binary", f"@{file}", f"{server.url}/digest"))
    assert said == {"size": 5_000_000, "sha256": digest}


def test_curl_uploads_without_a_length(server: Server, curl: tuple[object, ...], big: tuple[Path, str]) -> None:
    file, digest = big
    said = json.loads(run(*curl, "-X", "POST", "-T", "-", f"{server.url}/digest", stdin=file.read_bytes()))
    assert said == {"size": 5_000_000, "sha256": digest}


def test_curl_expects_100(server: Server, curl: tuple[object, ...], big: tuple[Path, str]) -> None:
    file, digest = big
    said = run(*curl, "-H", "expect: 100-continue", "-D", "-", "-T", file, f"{server.url}/digest")
    assert re.match(r"HTTP/\S+ 100", said)
    assert digest in said


def test_curl_asks_for_the_head(server: Server, curl: tuple[object, ...]) -> None:
    said = run(*curl, "-I", f"{server.url}/hello").lower()
    assert " 200" in said.splitlines()[0]
    assert "content-length: 5" in said


def test_curl_sees_trailers_and_hints(server: Server, curl: tuple[object, ...]) -> None:
    said = run(*curl, "-D", "-", "-H", "te: trailers", f"{server.url}/trailers?parts=2")
    assert "x-sum: abc" in said.partition("part 1")[2]
    assert re.match(r"HTTP/\S+ 103", run(*curl, "-D", "-", f"{server.url}/early"))


def test_curl_sees_that_an_answer_is_cut(server: Server, curl: tuple[object, ...]) -> None:
    command = [str(word) for word in (*curl, f"{server.url}/raise?when=middle&ms=20")]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode in (18, 92)  # partial file, HTTP/2 stream error


def test_curl_is_not_upgraded_and_does_not_mind(server: Server) -> None:
    # Asked for --http2 over cleartext it sends Upgrade: h2c, which RFC 9113 has done away with.
    said = run(program("curl"), "-sS", "--http2", "-w", " %{http_version}", f"{server.url}/hello")
    assert said == "hello 1.1"
    said = run(program("curl"), "-sS", "--http2", "-w", " %{http_version}", "-d", "body", f"{server.url}/digest")
    assert said.endswith("1.1")
    assert '"size": 4' in said


# nghttp2's own


def test_nghttp_gets_in_a_narrow_window(server: Server) -> None:
    said = run(program("nghttp"), "--window-bits=14", "--connection-window-bits=14", f"{server.url}/stream?size=65536&parts=5")
    assert len(said) > 0
    stats = run(program("nghttp"), "-ns", "-m", 100, f"{server.url}/hello")
    assert stats.count(" 200 ") == 100


def test_nghttp_says_what_is_urgent(server: Server) -> None:
    said = json.loads(run(program("nghttp"), "-p", 200, "-H", "priority: u=1, i", f"{server.url}/scope"))["extensions"]
    assert said["http.request.priority"] == {"urgency": 1, "incremental": True}
    assert said["http.response.priority"]["weight"] == 200


def test_nghttp_uploads(server: Server, big: tuple[Path, str]) -> None:
    file, digest = big
    assert digest in run(program("nghttp"), f"--data={file}", f"{server.url}/digest")
    assert digest in run(program("nghttp"), "--expect-continue", f"--data={file}", f"{server.url}/digest")
    assert '"size": 5000000' in run(program("nghttp"), f"--data={file}", "--trailer=x-sum: 1", f"{server.url}/digest")


@pytest.mark.parametrize("options", [(), ("--h1",), ("-w", 10, "-W", 14), ("-d", "FILE")], ids=["h2", "h1", "narrow", "POST"])
def test_h2load_loses_nothing(server: Server, big: tuple[Path, str], options: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(bytes(100_000))
    words = [tmp_path / "body" if word == "FILE" else word for word in options]
    path = "digest" if words[:1] == ["-d"] else "hello"
    streams = () if "--h1" in words else ("-m", 10)
    said = run(program("h2load"), "-n", 500, "-c", 10, *streams, *words, f"{server.url}/{path}")
    assert "500 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert "status codes: 500 2xx" in said


# Go, Node, Java


@pytest.fixture(scope="module")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = program("go")
    found = re.search(r"go(\d+)\.(\d+)", run(go, "version", GOTOOLCHAIN="local"))
    assert found
    if (int(found[1]), int(found[2])) < GO:
        missing(f"Go {GO[0]}.{GO[1]} is not installed: {found[0]} has no HTTP/2 over cleartext")
    built = tmp_path_factory.mktemp("go") / "client"
    run(go, "build", "-C", CLIENTS, "-o", built, ".", GOTOOLCHAIN="local", GOFLAGS="-mod=mod")
    return built


@pytest.mark.parametrize("protocol", ["h2", "h1"])
def test_go(server: Server, go_client: Path, protocol: str) -> None:
    saw = json.loads(run(go_client, protocol, server.url))
    assert saw.pop("digest") == saw.pop("sent")
    assert saw == {
        "proto": "HTTP/2.0" if protocol == "h2" else "HTTP/1.1", "parallel": 100, "chunked": 4_800_000,
        "streamed": 50 * 65_536, "trailer": "abc", "head": 5, "no_content": 204, "error": 500, "cut": True,
        "cancelled": True, "after": "hello",
    }  # fmt: skip
    assert "http.disconnect" in Talk(server, Http1).until_noted("go", "over")


def test_node(server: Server) -> None:
    saw = json.loads(run(program("node"), CLIENTS / "http2.mjs", server.url))
    assert saw == {
        "streams": 100, "parallel": 200, "digest": True, "echo": True, "trailer": "abc", "informed": [103],
        "head": "5", "cut": [2, "ERR_HTTP2_STREAM_ERROR"], "left": 8, "after": "hello", "ping": True,
    }  # fmt: skip
    assert "http.disconnect" in Talk(server, Http1).until_noted("node", "over")


@pytest.mark.parametrize("protocol", ["1.1", "2"])
def test_java(server: Server, protocol: str) -> None:
    said = run(program("java"), "-XX:TieredStopAtLevel=1", CLIENTS / "Client.java", protocol, server.url)
    assert dict(line.split("=") for line in said.splitlines()) == {
        "version": "HTTP_1_1", "hello": "hello", "upload": "true", "chunked": "true", "expect": "true",
        "stream": "true", "head": "5", "nothing": "204", "error": "500", "parallel": "50", "after": "hello",
    }  # fmt: skip
