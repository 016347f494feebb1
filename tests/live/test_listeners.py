"""Listeners of one server, each with its own settings, and sockets that were opened before it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from tests.live.conftest import PROBE
from tests.support.clients import Http1, Http2
from tests.support.process import ROOT, Server, environment

SERVICE_MANAGER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
FORWARDED = [("x-forwarded-for", "192.0.2.7")]


def connect(address: str) -> socket.socket:
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(10)
        sock.connect(address.removeprefix("unix:"))
        return sock
    host, _, port = address.removeprefix("http://").rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=10)


def test_each_listener_has_its_own_settings(tmp_path: Path) -> None:
    """An h2c port, a plain HTTP/1.1 health port, and a unix socket that speaks for nobody."""
    path = tmp_path / "app.sock"
    file = tmp_path / "appserver.toml"
    file.write_text(f"""
        server.http1 = false
        listener = [
            {{bind = "127.0.0.1:0", http_protocols = "http/1.1"}},
            {{bind = "unix:{path}", trust = [], unix_mode = "0600"}},
        ]
    """)
    with Server(PROBE, "-c", file) as server:
        main, health, unix = server.addresses
        with Http2(connect(main)) as client:
            assert client.ask("GET", "/hello").body == b"hello"
        with Http1(connect(main)) as client:
            assert client.ask("GET", "/hello").status == 505
        with Http1(connect(health)) as client:
            assert client.ask("GET", "/hello").body == b"hello"
        with connect(health) as raw:
            raw.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 505 ")
        assert path.stat().st_mode & 0o777 == 0o600
        for address, expected in ((main, "192.0.2.7"), (unix, None)):
            with Http2(connect(address)) as client:
                seen = json.loads(client.ask("GET", "/scope", FORWARDED).body)["client"]
                assert (seen and seen[0]) == expected
        assert server.stop() == 0
    assert not path.exists()


def test_sockets_that_a_service_manager_passes() -> None:
    """As systemd does: descriptor 3, LISTEN_PID is that of the process that is executed."""
    with socket.create_server(("127.0.0.1", 0)) as passed:
        port = passed.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-c", SERVICE_MANAGER, str(passed.fileno()), "-m", "appserver", PROBE],
            cwd=ROOT, env=environment({}), pass_fds=[passed.fileno()], stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            # Who connects before it serves waits in the kernel's queue.
            with Http2(socket.create_connection(("127.0.0.1", port), timeout=15)) as client:
                assert client.ask("GET", "/hello").body == b"hello"
            process.terminate()
            said = process.communicate(timeout=15)[1]
        finally:
            process.kill()
            process.wait()
        assert (process.returncode, f"listening on http://127.0.0.1:{port} (systemd)" in said) == (0, True)
        # It is not ours to close: the next process serves who connects meanwhile.
        passed.settimeout(10)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            accepted, address = passed.accept()
            accepted.close()
            assert address == client.getsockname()
