"""A running program that reads its files again: by a command or by a signal, and the proof that it did."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxyconf.programs.run import ProgramFault, run_command

__all__ = ["Reload"]

_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Reload:
    """How a running program reads its files again.

    `words` is a command; without one `signal` is sent to the process of `pid_file`. Where `pid_file` is known the
    program has done it when its workers are new ones: a signal says nothing, and few commands do. With `watches` alone
    nothing is sent: it reads these files by itself.
    """

    words: tuple[str, ...] = ()
    signal: str = ""
    pid_file: Path | None = None
    socket: Path | None = None
    """The control socket that the command goes through."""
    watches: tuple[str, ...] = ()
    settle_seconds: float = 0.5
    """How long a new worker has to live until it counts: one that cannot use the new files ends soon."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it as a user would type it."""
        if self.watches:
            return f"itself: it watches {', '.join(self.watches)}"
        return f"'{shlex.join(self.words)}'" if self.words else f"{self.signal} to the process of {self.pid_file}"

    def ready(self) -> None:
        """Raise `ProgramFault` if nothing runs that could read its files again."""
        if self.pid_file is not None:
            self._running()
        if self.socket is not None:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.socket))
                except OSError as error:
                    raise ProgramFault(f"nothing runs: {self.socket}: {error.strerror or error}") from error

    def run(self, seconds: float) -> None:
        """Make it read its files again, and wait until it has. Raises `ProgramFault`, `ProgramMissing`."""
        if self.watches:
            time.sleep(self.settle_seconds)  # it tells nobody when it has read a file
            return
        if self.pid_file is None:
            run_command(self.words, self.environment)
            return
        pid = self._running()
        before = _children(pid)
        if self.words:
            run_command(self.words, self.environment)
        else:
            self._send(pid)
        self._until_new_workers(pid, before, seconds)

    def _running(self) -> int:
        assert self.pid_file is not None
        try:
            pid = int(self.pid_file.read_text(encoding="ascii"))
        except OSError as error:
            raise ProgramFault(f"nothing seems to run: {self.pid_file}: {error.strerror}") from error
        except ValueError as error:
            raise ProgramFault(f"{self.pid_file} holds no process id") from error
        if pid <= 1 or not _lives(pid):
            raise ProgramFault(f"nothing runs: there is no process {pid}, which {self.pid_file} names")
        if not _children(pid):
            raise ProgramFault(
                f"process {pid} of {self.pid_file} has no workers: it is no master process, and would not read its files again"
            )
        return pid

    def _send(self, pid: int) -> None:
        try:
            os.kill(pid, signal.Signals[self.signal])
        except OSError as error:
            raise ProgramFault(f"{self.signal} cannot be sent to process {pid}: {error.strerror}") from error

    def _until_new_workers(self, pid: int, before: frozenset[int], seconds: float) -> None:
        end = time.monotonic() + seconds + self.settle_seconds
        seen: dict[int, float] = {}
        while time.monotonic() < end:
            now, new = time.monotonic(), _children(pid) - before
            seen = {child: seen.get(child, now) for child in new}
            if any(now - since >= self.settle_seconds for since in seen.values()):
                return
            if not _lives(pid):
                raise ProgramFault(f"process {pid} ended instead of reading its files again; its log says why")
            time.sleep(_POLL)
        raise ProgramFault(
            f"process {pid} has no new workers after {seconds:g} s: it goes on with what it had; its log says why"
        )


def _lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    return _status(pid) is not None


def _status(pid: int) -> int | None:
    """Return a process's parent; None if there is no such process or it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name before them may hold spaces and parentheses.
    state, parent = text.rpartition(")")[2].split()[:2]
    return None if state in "ZX" else int(parent)


def _children(pid: int) -> frozenset[int]:
    """Return the processes that a process has started and that have not ended."""
    everybody = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return frozenset(one for one in everybody if _status(one) == pid)
