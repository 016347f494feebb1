"""PROXY headers as curl, HAProxy and nginx send them, before HTTP/1.1 and before HTTP/2."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proxyconf.facts.table import Version
from tests.interop.hop import Installed, free_port, installed, listens, until
from tests.interop.test_clients import program, run
from tests.live.conftest import FAULTS, PROBE
from tests.support.certificates import Authority
from tests.support.process import Server

FROM = "127.0.0.9"
VERSIONS = {"v1": "send-proxy", "v2": "send-proxy-v2"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(PROBE, "--proxy-protocol", "auto", "--forwarded-trust", "") as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


def on(proxy: str, since: str = "0") -> pytest.MarkDecorator:
    """Run the test on each version of the proxy that is here; where CI has to have it none is a failure."""
    found = [one for one in installed(proxy) if one.version >= Version.parse(since)]
    if not found and os.environ.get("LASTHOP_CI") and os.environ.get("LASTHOP_PROOFS"):
        raise AssertionError(f"{proxy} {since} or newer is not in build/proxies")
    nobody = [pytest.param(None, marks=pytest.mark.skip(reason=f"{proxy} {since} or newer is not in build/proxies"))]
    return pytest.mark.parametrize("on", found or nobody, ids=str)


@contextmanager
def haproxy(
    on: Installed, folder: Path, port: int, backend: Iterable[str], frontend: Iterable[str] = (), mode: str = "http",
) -> Iterator[None]:  # fmt: skip
    """Run HAProxy on a port of this machine: `frontend` is what follows its address and more lines, `backend` lines."""
    newline = "\n  "
    (folder / "haproxy.cfg").write_text(f"""
defaults
  mode {mode}
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend in
  bind 127.0.0.1:{port} {newline.join(frontend)}
  default_backend app
backend app
  {newline.join(backend)}
""")
    with running([on.program, "-db", "-f", str(folder / "haproxy.cfg")], port):
        yield


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """Run a proxy in the foreground until it listens, and end it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until(lambda: listens(("127.0.0.1", port)) or process.poll() is not None, f"{command[0]} listens")
        assert process.poll() is None, process.communicate()[1].decode()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


def ask(url: str, *options: object) -> dict[str, Any]:
    """Return the scope of a request by curl, which comes from an address of its own."""
    curl = (program("curl"), "-sS", "--max-time", 20, "--fail", "--interface", FROM)
    scope: dict[str, Any] = json.loads(run(*curl, *options, url))
    return scope


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_curl(server: Server, version: str) -> None:
    curl = (program("curl"), "-sS", "--max-time", 20, "--fail", "--haproxy-protocol", version)

    seen = json.loads(run(*curl, f"{server.url}/scope"))

    assert seen["client"][0] == "127.0.0.1"
    assert seen["extensions"]["proxy_protocol"]["version"] == 1
    assert seen["extensions"]["proxy_protocol"]["client"] == seen["client"]


def test_without_the_header_nothing_is_answered(server: Server) -> None:
    done = subprocess.run([program("curl"), "-sS", "--max-time", "20", f"{server.url}/scope"], capture_output=True, check=False)
    assert done.stdout == b""
    assert done.returncode in (52, 56)  # an empty reply, or a reset


@on("haproxy")
@pytest.mark.parametrize("protocol", ["h1", "h2"])
@pytest.mark.parametrize("version", VERSIONS)
def test_haproxy(on: Installed, server: Server, tmp_path: Path, version: str, protocol: str) -> None:
    port = free_port()
    backend = [
        "http-reuse safe",
        f"server app 127.0.0.1:{server.port} {VERSIONS[version]} proto {protocol}",
    ]
    with haproxy(on, tmp_path, port, backend):
        seen = [ask(f"http://127.0.0.1:{port}/scope") for _ in range(3)]
        assert {scope["client"][0] for scope in seen} == {FROM}
        assert {scope["http_version"] for scope in seen} == {"2" if protocol == "h2" else "1.1"}
        assert {scope["server"][1] for scope in seen} == {port}
        assert {scope["extensions"]["proxy_protocol"]["version"] for scope in seen} == {1 if version == "v1" else 2}


@on("haproxy")
def test_haproxy_tells_of_the_tls_that_ends_there(on: Installed, server: Server, tmp_path: Path) -> None:
    port, authority = free_port(), Authority()
    authority.issue(tmp_path, "site", ["shop.test"])
    client = authority.issue(tmp_path, "client")
    authority.write(tmp_path / "ca.pem")
    tmp_path.chmod(0o755)
    backend = [
        f"server app 127.0.0.1:{server.port} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,unique-id,crc32c send-proxy-v2-ssl-cn",
    ]
    frontend = [
        f"ssl crt {tmp_path}/site.both.pem ca-file {tmp_path}/ca.pem verify optional alpn h2,http/1.1",
        "unique-id-format id-%Ts",
    ]
    with haproxy(on, tmp_path, port, backend, frontend=frontend, mode="tcp"):
        url = f"https://shop.test:{port}/scope"
        tls = ("-k", "--http2", "--tlsv1.3", "--resolve", f"shop.test:{port}:127.0.0.1")
        anonymous = ask(url, *tls)
        known = ask(url, *tls, "--cert", client.certfile, "--key", client.keyfile)

    for scope in (anonymous, known):
        facts = scope["extensions"]["proxy_protocol"]
        assert (scope["scheme"], scope["http_version"], scope["client"][0]) == ("https", "2", FROM)
        assert facts["authority"] == "shop.test"
        assert facts["ssl"]["version"] == "TLSv1.3"
        assert facts["ssl"]["cipher"].startswith("TLS_")
        assert 3 in [kind for kind, _ in facts["tlvs"]], "there is no checksum"
        assert "id-" in facts["unique_id"]
    assert [scope["extensions"]["proxy_protocol"]["ssl"]["common_name"] for scope in (anonymous, known)] == [None, "client"]
    assert [scope["extensions"]["proxy_protocol"]["ssl"]["client_cert_verified"] for scope in (anonymous, known)] == [False, True]


@on("haproxy")
def test_a_health_check_of_haproxy_is_its_own_connection(on: Installed, server: Server, tmp_path: Path) -> None:
    """LOCAL: the header names nobody, and the check is answered."""
    port = free_port()
    backend = [
        "option httpchk GET /hello",
        f"server app 127.0.0.1:{server.port} send-proxy-v2 check check-send-proxy inter 100ms fall 1 rise 2",
    ]
    frontend = [
        "",
        "http-request return status 200 content-type text/plain lf-string %[nbsrv(app),add(0)]:%[srv_is_up(app/app)] if { path /up }",
    ]
    with haproxy(on, tmp_path, port, backend, frontend=frontend):
        before = len(server.said)
        until(lambda: ask_text(f"http://127.0.0.1:{port}/up") == "1:1", "the check finds it up")
        assert "no PROXY header" not in server.said[before:]


def ask_text(url: str) -> str:
    return run(program("curl"), "-sS", "--max-time", 20, url)


@on("nginx")
@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_nginx_hands_connections_on(on: Installed, server: Server, tmp_path: Path, version: str) -> None:
    port = free_port()
    tmp_path.chmod(0o755)
    (tmp_path / "nginx.conf").write_text(f"""
daemon off;
master_process off;
pid {tmp_path}/pid;
error_log stderr;
load_module modules/ngx_stream_module.so;
events {{}}
stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{server.port}; proxy_protocol on; }} }}
""")
    with running([on.program, "-c", str(tmp_path / "nginx.conf")], port):
        seen = ask(f"http://127.0.0.1:{port}/scope", version)
        assert (seen["client"][0], seen["server"]) == (FROM, ["127.0.0.1", port])
        assert seen["http_version"] == ("1.1" if version == "--http1.1" else "2")
