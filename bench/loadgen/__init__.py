"""Our load generator: built from the C sources beside this file, its arguments, and what it prints.

It makes every head new, as they are behind a proxy; the sources say how. It is C because it must cost less than the
fastest server and be there wherever the kernel can be compiled: `cc` and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.load import Counts, LoadFailed, Percentiles

__all__ = ["AUTHORITY", "FLAGS", "PATHS", "BuildFailed", "arguments", "build", "parse"]

SOURCES = Path(__file__).parent
FLAGS = ("-O2", "-std=c11", "-Wall", "-Wextra", "-Werror")
AUTHORITY = "shop.example"
"""The host that it asks for."""
PATHS = tuple(f"products/{number:05d}" for number in range(20_000))
"""The paths that it asks for, each with many queries."""


class BuildFailed(Exception):
    """The generator cannot be compiled; the text says why and what helps."""


def build(folder: Path, compiler: str = "", flags: Sequence[str] = FLAGS) -> Path:
    """Compile it into that folder, unless it is there for these sources and this C library; return the program."""
    compiler = compiler or os.environ.get("CC", "cc")
    files = sorted(SOURCES.glob("*.[ch]"))
    digest = hashlib.sha256(" ".join([compiler, *flags, *platform.libc_ver()]).encode())
    for file in files:
        digest.update(file.read_bytes())
    program = folder / f"loadgen-{digest.hexdigest()[:12]}"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    partial = program.with_suffix(f".{os.getpid()}")
    argv = [compiler, *flags, "-o", str(partial), *(str(file) for file in files if file.suffix == ".c")]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildFailed(
            f"{compiler}: {error.strerror}; the load generator needs a C compiler: apt-get install gcc libc6-dev"
        ) from error
    if done.returncode:
        raise BuildFailed(f"the load generator cannot be compiled: {' '.join(done.stderr.split())[:300]}")
    partial.rename(program)
    return program


def arguments(
    program: Path, port: int, clients: int, streams: int, *, styles: str = "", http1: bool = False, requests: int = 0,
    seconds: float = 0, rate: float = 0, first: int = 0, repeat: bool = False, post: int = 0, answer: int | None = None,
    timeout: float = 0, websocket: bool = False,
) -> list[str]:
    """Return the argv of a run: so many requests or seconds, as fast as answers come or at that rate.

    `styles` are those of HPACK, for HTTP/2; `first` is the number of the first request; `answer` the body's length;
    what is unanswered after `timeout` seconds has failed. With `websocket` a request is a message of `post` bytes.
    """
    argv = [str(program), f"--connections={clients}", f"--streams={streams}", f"--authority={AUTHORITY}"]
    argv += ["--protocol=ws"] if websocket else ["--protocol=h1"] if http1 else [f"--style={styles or 'go'}"]
    argv += [f"--requests={requests}"] if requests else [f"--duration={seconds:g}"]
    argv += [f"--rate={rate:.3f}"] if rate else []
    argv += [f"--first={first}"] if first else []
    argv += ["--repeat"] if repeat else []
    argv += [f"--post={post}"] if post else []
    argv += [f"--answer={answer}"] if answer is not None else []
    argv += [f"--timeout={timeout:g}"] if timeout else []
    return [*argv, f"127.0.0.1:{port}"]


def parse(text: str) -> Counts:
    """Read its line of JSON."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise LoadFailed(text.strip() or "the load generator printed nothing") from error
    latency = found.get("latency")
    return Counts(
        seconds=found["seconds"],
        rate=found["rate"],
        total=found["requests"],
        ok=found["ok"],
        data=found["data"],
        wire=found["received"],
        busy=found["cpu"] / found["seconds"] if found["seconds"] else 0.0,
        latency=Percentiles(latency["p50"], latency["p99"], latency["max"]) if latency else None,
    )
