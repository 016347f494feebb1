"""One server under test: started on a free port, measured over its process tree, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

__all__ = ["ServerFailed", "ServerProcess", "Usage", "cpu_seconds", "free_port", "memory", "tree"]

TICK = os.sysconf("SC_CLK_TCK")
CPUCLOCK_SCHED = 2
START_SECONDS = 15.0
STOP_SECONDS = 5.0


class ServerFailed(Exception):
    """The server did not start, or is gone; the text ends with the last lines it wrote."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory of a process tree in bytes: proportional share, resident, private."""

    pss: int
    rss: int
    private: int


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on (the name before it may hold anything)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def tree(root: int) -> list[int]:
    """Return the pid and those of all its descendants."""
    parents = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found = [root]
    for pid in found:
        found.extend(child for child, stat in parents.items() if stat and int(stat[1]) == pid)
    return found


def _cpu_clock(pid: int) -> float:
    """Return the CPU time of a process and its threads, ended ones too (clock_getcpuclockid(3), in nanoseconds)."""
    try:
        return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)
    except OSError:
        return 0.0


def cpu_seconds(root: int) -> float:
    """Return the user and system time that the tree, and what it has reaped of itself, have used so far."""
    pids = tree(root)
    reaped = sum(int(field) for stat in map(_stat, pids) for field in stat[13:15])
    return sum(map(_cpu_clock, pids)) + reaped / TICK


def memory(root: int) -> Usage:
    """Return what the tree occupies now."""
    total = dict.fromkeys(("Pss:", "Rss:", "Private_Clean:", "Private_Dirty:"), 0)
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        for name, amount in (line.split()[:2] for line in lines[1:]):
            if name in total:
                total[name] += int(amount) * 1024
    return Usage(total["Pss:"], total["Rss:"], total["Private_Clean:"] + total["Private_Dirty:"])


class ServerProcess:
    """A server that runs between `with` and its end; what it writes goes to `log`."""

    def __init__(
        self, argv: Sequence[str], port: int, cwd: Path, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.argv = list(argv)
        self.port = port
        self.log = log
        self._cwd = cwd
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The pid of the started server."""
        if self._process is None:
            raise ServerFailed("not started")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        with self.log.open("wb") as out:
            try:
                self._process = subprocess.Popen(
                    self.argv, cwd=self._cwd, env=self._environment, stdin=subprocess.DEVNULL,
                    stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                )
            except OSError as error:
                raise ServerFailed(f"{self.argv[0]}: {error.strerror}") from error
        deadline = time.monotonic() + START_SECONDS
        while not self._accepts():
            self.must_live()
            if time.monotonic() > deadline:
                self.stop()
                raise ServerFailed(f"no answer within {START_SECONDS:.0f} s: {self.last_words()}")
            time.sleep(0.02)

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def must_live(self) -> None:
        """Raise if the process has ended."""
        if self._process is None or self._process.poll() is not None:
            code = "not started" if self._process is None else f"exit {self._process.returncode}"
            raise ServerFailed(f"{code}: {self.last_words()}")

    def last_words(self) -> str:
        """Return the last line it wrote."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else "(it wrote nothing)"

    def stop(self) -> None:
        """End the whole process group: TERM, then KILL for what remains."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                break
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
        self._process = None
