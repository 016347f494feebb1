"""Recording servers in a thread, and the load generator put on them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from bench.recorder import Make, Record, serve

SECONDS = 30


@contextlib.contextmanager
def serving(record: Record, make: Make | None = None) -> Iterator[int]:
    """Serve in a thread of its own; yields the port."""
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def main() -> None:
        stopped = asyncio.Event()
        async with serve(record, make=make) as port:
            started.set_result((port, asyncio.get_running_loop(), stopped))
            await stopped.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    port, loop, stopped = started.result(SECONDS)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(SECONDS)


class Generator:
    """The load generator, built."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def run(self, port: int, *options: str) -> subprocess.CompletedProcess[str]:
        """Put it on a server and return how it ended."""
        argv = [str(self.program), "--timeout=20", *options, f"127.0.0.1:{port}"]
        # What is still allocated at its end is no leak: the process ends.
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=SECONDS, check=False, env={"ASAN_OPTIONS": "detect_leaks=0"}
        )

    def figures(self, port: int, *options: str) -> Any:
        """Put it on a server and return what it printed."""
        done = self.run(port, *options)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)
