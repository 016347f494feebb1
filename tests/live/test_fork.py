"""`serve` after a fork, as a supervisor will call it: listeners and application come from the parent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.test_startup import hello
from tests.support.clients import Http1, Http2, connect
from tests.support.process import ROOT, environment, until

# Two workers on one listener; each writes its process id and phase to a file that is a line long per beat.
SUPERVISOR = """
import os, signal, sys
from appserver.apps.loader import load
from appserver.config.options import Config, ServerOptions
from appserver.ops.log import configure
from appserver.worker.listening import open_listeners
from appserver.worker.serve import serve

path, beats, loop = sys.argv[1:]
config = Config(server=ServerOptions(app="tests.support.probe:app", bind=("unix:" + path,), loop=loop))

class Pulse:
    def beat(self, phase):
        os.write(out, f"{os.getpid()} {phase.value}\\n".encode())

out = os.open(beats, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
log = configure(config.log)
listeners = open_listeners(config)
app = load(config.server.app, ".", False)
log.flush()
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        serve(config, app, listeners, Pulse())
        log.flush()
        os._exit(0)
    children.append(child)
signal.signal(signal.SIGTERM, lambda number, frame: [os.kill(child, signal.SIGTERM) for child in children])
print(*children, flush=True)
codes = [os.waitpid(child, 0)[1] for child in children]
assert os.path.exists(path), "a worker leaves the path to its parent"
for listener in listeners:
    listener.close()
print(codes, flush=True)
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_two_workers_after_a_fork(tmp_path: Path, loop: str) -> None:
    path, beats = str(tmp_path / "app.sock"), tmp_path / "beats"
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, path, str(beats), loop], cwd=ROOT, env=environment({}),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        children = process.stdout.readline().split()

        def said() -> list[list[str]]:
            return [line.split() for line in beats.read_text().splitlines()] if beats.exists() else []

        until(lambda: all([child, "serving"] in said() for child in children), "both workers serve")
        assert {hello(path, protocol) for _ in range(20) for protocol in (Http1, Http2)} == {b"hello"}
        first = len(said())
        until(lambda: all([child, "serving"] in said()[first:] for child in children), "both go on to beat")
        with Http1(connect(path)) as client:
            client.request("GET", "/slow?ms=300&id=x")
            process.terminate()
            assert client.answer().text == "x"
        output, log = process.communicate(timeout=15)
        assert output == "[0, 0]\n", log
        phases = {child: list(dict.fromkeys(phase for id, phase in said() if id == child)) for child in children}
        assert phases == {child: ["starting", "serving", "draining", "stopped"] for child in children}
        assert log.count("ready in") == log.count("SIGTERM: stopping") == 2
        assert "Traceback" not in log
        assert not Path(path).exists()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()

