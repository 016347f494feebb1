"""Two servers in two threads of one process: neither knows of the other, signals are the main thread's."""

from __future__ import annotations

import re
import subprocess
import sys
import threading

from tests.live.test_serve import digest
from tests.support.clients import Http1, Http2, connect
from tests.support.process import ROOT, environment

TWO = """
import signal, threading
from appserver.config.options import Config, LifespanOptions, LogOptions, ServerOptions
from appserver.worker.run import run
from appserver.worker.stop import StopRequest

ended = []

def serve(stop, loop):
    server = ServerOptions(app="tests.support.probe:app", bind=("127.0.0.1:0",), loop=loop)
    ended.append(run(Config(server=server), stop))

stops = [StopRequest(), StopRequest()]
threads = [threading.Thread(target=serve, args=pair) for pair in zip(stops, ("uvloop", "asyncio"))]
signal.signal(signal.SIGTERM, lambda number, frame: [stop.request("the host ends") for stop in stops])
for thread in threads:
    thread.start()
print("up", flush=True)
while any(thread.is_alive() for thread in threads):
    for thread in threads:
        thread.join(0.05)
print(ended, flush=True)
"""


def test_two_servers_in_two_threads() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", TWO], cwd=ROOT, env=environment({}), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stdout is not None
    try:
        said = b""
        while said.count(b"ready in") < 2:
            line = process.stderr.readline()
            assert line, said
            said += line
        ports = [int(port) for port in re.findall(rb"listening on http://127\.0\.0\.1:(\d+)", said)]
        faults: list[str] = []
        clients = [
            threading.Thread(target=use, args=(port, protocol, faults)) for port in ports for protocol in (Http1, Http2)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert faults == []
        process.terminate()
        said += process.stderr.read()
        assert process.stdout.read() == b"up\n[0, 0]\n"
        assert process.wait(10) == 0
        assert said.count(b"the host ends: stopping") == 2
        assert said.count(b"INFO     stopped") == 2
        assert b"Traceback" not in said
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()
        process.stdout.close()


def use(port: int, protocol: type[Http1] | type[Http2], faults: list[str]) -> None:
    """Ask one server for bodies both ways; write down what came back wrong."""
    with protocol(connect(("127.0.0.1", port))) as client:
        for n in range(50):
            body = bytes([n]) * (n * 1_000)
            answer = client.ask("POST", "/digest", body=body)
            if digest(body)["sha256"] not in answer.text:
                faults.append(f"{port} {protocol.__name__} {n}: {answer.status} {answer.text[:100]}")
            down = client.ask("GET", f"/stream?size=16384&parts={n % 7 + 1}")
            if down.body != bytes(range(256)) * 64 * (n % 7 + 1):
                faults.append(f"{port} {protocol.__name__} {n}: {down.status} {down.size}")
