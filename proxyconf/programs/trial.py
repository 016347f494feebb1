"""A program without a checker, started for a moment: what it says about its files is what a checker would."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath

from proxyconf.programs.run import ProgramFault, find_program

__all__ = ["free_port", "try_files"]

_SECONDS, _POLL = 20.0, 0.05
# What a program logs of a file may come a moment after its first word about it.
_SETTLED = 3


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def try_files(
    command: tuple[str, ...], files: Mapping[str, str], url: str, faults: Callable[[str, str], Sequence[str] | None],
    environment: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Start a program on files until `faults` can tell what is wrong, or raise `ProgramFault` with it."""
    with tempfile.TemporaryDirectory(prefix="proxyconf-") as folder, tempfile.TemporaryFile() as log:
        for name, text in files.items():
            path = FilePath(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        here = [word.replace("{folder}", folder) for word in command]
        process = subprocess.Popen(
            [find_program(here[0]), *here[1:]], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "HOME": folder, **(environment or {})},
        )  # fmt: skip
        try:
            found = _said(process, log.fileno(), url, faults)
        finally:
            process.kill()
            process.wait()
    if found:
        raise ProgramFault(f"'{command[0]}' says: {'; '.join(found).replace(f'{folder}/', '')}")


def _said(
    process: subprocess.Popen[bytes], log: int, url: str, faults: Callable[[str, str], Sequence[str] | None]
) -> Sequence[str]:
    end, quiet = time.monotonic() + _SECONDS, 0
    while time.monotonic() < end:
        ended = process.poll() is not None
        found = faults(_answer(url), os.pread(log, 1_000_000, 0).decode("utf-8", "replace"))
        if found or (ended and found is None):
            return found or [f"nothing, and ended with {process.returncode}"]
        quiet = 0 if found is None else quiet + 1
        if quiet == _SETTLED:
            return ()
        time.sleep(_POLL)
    raise ProgramFault(f"{process.args!r} said nothing about its files within {_SECONDS:g} s")


def _answer(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # of ours, on 127.0.0.1
            return str(answer.read().decode())
    except OSError:
        return ""  # not yet
