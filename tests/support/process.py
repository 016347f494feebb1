"""One `python -m appserver` under test: started on free ports, what it said kept, ended by its pid.

    with Server("tests.support.probe:app", "--h2-engine", "pure") as server:
        ... server.port ...
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    server.said      # all it wrote to stderr
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import pytest

from appserver.h2 import load_engine

__all__ = ["ENGINES", "ROOT", "Server", "best", "demand", "until"]

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 15.0
LISTENING = re.compile(r"listening on (\S+)")
ENGINES = tuple(name for name in os.environ.get("LASTHOP_ENGINES", "").split(",") if name) or ("kernel", "pure")


def best() -> str:
    """Return the engine that a server takes by itself."""
    return load_engine("auto")[1]


def demand(engine: str) -> str:
    """Return the engine's name; skip, or fail if it was asked for by name, where it was not built."""
    try:
        importlib.import_module(f"appserver.h2.{engine}")
    except ModuleNotFoundError as error:
        message = f"the {engine} engine is not built: {error}"
        if "LASTHOP_ENGINES" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    return engine


def until(holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait for something to hold, within a deadline."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.005)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without what would configure the server."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("APPSERVER_", "PYTHON"))}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **more}


class Server:
    """A server process; entering starts it and waits until it is ready, leaving kills what is left."""

    def __init__(
        self,
        app: str,
        *options: object,
        binds: tuple[str, ...] = ("127.0.0.1:0",),
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
    ) -> None:
        words = [word for bind in binds for word in ("--bind", bind)]
        self._command = [sys.executable, "-m", "appserver", app, *words, *map(str, options)]
        self._cwd = cwd
        self._environment = environment(env or {})
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving
        self._said = ""
        self._read = 0
        self._reading = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        try:
            until(lambda: "ready in" in self.said or self.ended, "the server is ready")
            assert not self.ended, f"exit {self.process.returncode}: {self.said}"
        except BaseException:
            self.leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def start(self) -> None:
        """Start it and return at once."""
        self._process = subprocess.Popen(
            self._command, cwd=self._cwd, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log, start_new_session=True,
        )  # fmt: skip

    def leave(self) -> None:
        """Kill what is left of it."""
        if not self.ended:
            self.process.kill()
        self.process.wait()
        self._said = self.said
        self._log.close()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it was not started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def said(self) -> str:
        """What it wrote so far, to stderr or stdout."""
        # Two threads of a test that read the same bytes would both count them, and miss as many of the next.
        with self._reading:
            if not self._log.closed:
                more = os.pread(self._log.fileno(), 2**24, self._read)
                self._read += len(more)
                self._said += more.decode("utf-8", "replace")
            return self._said

    @property
    def lines(self) -> list[str]:
        return self.said.splitlines()

    @property
    def addresses(self) -> list[str]:
        """Where it says that it listens, in the order of its --bind options."""
        return LISTENING.findall(self.said)

    @property
    def port(self) -> int:
        return int(self.addresses[0].rpartition(":")[2])

    @property
    def url(self) -> str:
        return self.addresses[0]

    def connect(self, seconds: float = SECONDS) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def refuses(self) -> bool:
        """Tell whether a new connection is refused."""
        try:
            self.connect(1.0).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            pass  # it was in the kernel's queue when the listener was closed
        return False

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = SECONDS) -> int:
        """Wait for its end and return the exit code."""
        return self.process.wait(seconds)

    def stop(self) -> int:
        """Ask it to stop and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def run(self) -> int:
        """Start it and wait for its end: for a server that is not expected to serve."""
        self.start()
        try:
            return self.wait()
        finally:
            self.leave()

    def descriptors(self) -> list[str]:
        """Return its open files and sockets."""
        return os.listdir(f"/proc/{self.pid}/fd")

    def memory(self) -> int:
        """Return its resident private memory in bytes."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        return sum(int(size) * 1024 for size in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))
