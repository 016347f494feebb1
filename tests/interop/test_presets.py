"""The servers that can stand behind a proxy, run: each speaks what its preset says, and starts by its command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h2.connection
import h2.events
import httpx
import pytest

from proxyconf.backend.facts import Facts, facts
from proxyconf.backend.presets import PRESETS, Preset
from proxyconf.facts.table import Version
from proxyconf.facts.target import Target
from proxyconf.spec.read import load
from tests.interop.hop import DEADLINE, free_port, listens, until

APP = '''
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    said = f'{scope["http_version"]} {scope["scheme"]} {scope["client"][0]}'.encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(said)).encode())]})
    await send({"type": "http.response.body", "body": said})
'''


def told(preset: Preset, port: int, protocol: str) -> Facts:
    text = f"""
appserver: {{app: "preset_app:app", server: {preset.name}, drain: 2s}}
upstreams: {{app: {{protocol: {protocol}, servers: ["127.0.0.1:{port}"]}}}}
sites: [{{hostnames: [shop.example], upstream: app}}]
"""
    found, wrong = facts(load("s.yaml", text.encode(), {}).deployment, (Target("caddy", Version.parse("2.11.7")),))
    assert found is not None, wrong
    return found


@contextmanager
def started(preset: Preset, folder: Path, protocol: str) -> Iterator[int]:
    """Start a server by its preset's command."""
    program = Path(sys.executable).parent / preset.name
    if not program.exists():
        pytest.skip(f"pip install {preset.name}")
    (folder / "preset_app.py").write_text(APP)
    port = free_port()
    command = preset.command(told(preset, port, protocol))
    if preset.name == "appserver":
        from proxyconf.backend import appserver

        (folder / "appserver.toml").write_text(appserver.render(told(preset, port, protocol)).files["appserver.toml"])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(program), *command[1:]], cwd=folder, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(folder)},
        )  # fmt: skip
    try:
        until(lambda: listens(("127.0.0.1", port)) or process.poll() is not None, preset.name)
        assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def by_h2c(port: int) -> bytes:
    """Ask with prior knowledge; return the body, or what came instead."""
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    fields = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/")]
    connection.send_headers(1, [*fields, ("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")], end_stream=True)
    body = b""
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        client.settimeout(DEADLINE)
        client.sendall(connection.data_to_send())
        while piece := client.recv(65536):
            if not body and piece.startswith(b"HTTP/1.1"):
                return piece
            for event in connection.receive_data(piece):
                if isinstance(event, h2.events.DataReceived):
                    body += event.data
                if isinstance(event, h2.events.StreamEnded):
                    return body
    return body


@pytest.mark.parametrize("name", PRESETS)
def test_http1_and_whom_it_believes(name: str, tmp_path: Path) -> None:
    with started(PRESETS[name], tmp_path, "http1") as port:
        said = httpx.get(f"http://127.0.0.1:{port}/", headers={"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https"}).text
    version, scheme, client = said.split()
    assert version == "1.1"
    believes = PRESETS[name].believes
    assert scheme == ("https" if "proto" in believes else "http")
    assert client == ("192.0.2.7" if "for" in believes else "127.0.0.1")


@pytest.mark.parametrize("name", PRESETS)
def test_h2c_with_prior_knowledge(name: str, tmp_path: Path) -> None:
    preset = PRESETS[name]
    with started(preset, tmp_path, "h2c") as port:
        said = by_h2c(port)
    assert said.startswith(b"2 ") == preset.h2c, said
