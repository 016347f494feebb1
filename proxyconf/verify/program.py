"""One program that verify starts: how to run, reload and stop it, and the process while it runs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxyconf.verify.address import Address

__all__ = ["Process", "Program", "ProgramError", "Running"]

START_SECONDS, RELOAD_SECONDS, POLL = 20.0, 20.0, 0.02
TAIL = 12


class ProgramError(Exception):
    """A program did not start, reload or stop; the text says which, and shows the end of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """What verify must know of a proxy or a server to handle it.

    `ready` are the addresses that take connections once it is up. `reload` is a signal to it, or a command beside it
    in which `{pid}` stands for its id; None where it can do neither.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path  # its log goes there; the working folder, unless `cwd` says otherwise
    ready: tuple[Address, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    reload: signal.Signals | tuple[str, ...] | None = None
    stop: signal.Signals = signal.SIGTERM
    stop_seconds: float = 30.0
    fixed: tuple[Path, ...] = ()  # what it reads and must not write

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"


class Running(ABC):
    """A program that was started here."""

    def __init__(self, program: Program) -> None:
        self.program = program

    @property
    @abstractmethod
    def code(self) -> int | None:
        """The exit code, None while it runs."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """Its id, where commands beside it run."""

    @abstractmethod
    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""

    @abstractmethod
    def command(self, argv: tuple[str, ...]) -> None:
        """Run a command beside it; raises `ProgramError` if that fails."""

    @abstractmethod
    def wait(self, seconds: float) -> bool:
        """Wait for its end; False if it does not come in time."""

    @abstractmethod
    def kill(self) -> None:
        """End what is left of it at once."""

    def said(self) -> str:
        """Return what it wrote so far."""
        return self.program.log.read_text(errors="replace") if self.program.log.exists() else ""

    async def until_ready(self) -> None:
        """Return once every address takes connections."""
        end = time.monotonic() + START_SECONDS
        while not all(address.accepts() for address in self.program.ready):
            if self.code is not None:
                raise ProgramError(f"{self.program.name} ended with exit code {self.code}{self.tail()}")
            if time.monotonic() > end:
                missing = ", ".join(address.text for address in self.program.ready if not address.accepts())
                raise ProgramError(f"{self.program.name} did not listen on {missing} in {START_SECONDS:g} s{self.tail()}")
            await asyncio.sleep(POLL)

    async def reload(self) -> None:
        """Make it load its configuration again."""
        how = self.program.reload
        assert how is not None, f"{self.program.name} has no way to reload"
        if isinstance(how, signal.Signals):
            self.signal(how)
        else:
            await asyncio.to_thread(self.command, tuple(word.replace("{pid}", str(self.pid)) for word in how))

    async def stop(self) -> int:
        """Stop it gracefully, then not; returns its exit code."""
        if self.code is None:
            self.signal(self.program.stop)
        in_time = await asyncio.to_thread(self.wait, self.program.stop_seconds)
        self.kill()
        if not in_time:
            raise ProgramError(f"{self.program.name} did not stop in {self.program.stop_seconds:g} s{self.tail()}")
        assert self.code is not None
        return self.code

    def tail(self) -> str:
        """Return the end of the log, for an error message."""
        lines = self.said().splitlines()[-TAIL:]
        return f"; the end of {self.program.log}:\n" + "\n".join(f"    {line}" for line in lines)


class Process(Running):
    """A program of this machine; it is ended by its id and, if it left children, by those of its own session."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        try:
            with program.log.open("ab") as output:
                # In a session of its own: Ctrl-C reaches the driver alone, which then stops the rest in order.
                self.popen = subprocess.Popen(
                    program.argv, cwd=program.cwd or program.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    env={**os.environ, **program.environment}, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise ProgramError(f"{program.name} cannot be run: {program.argv[0]}: {error.strerror}") from error

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self.popen.poll()

    @property
    def pid(self) -> int:
        """Its id on this machine."""
        return self.popen.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self.popen.send_signal(number)

    def command(self, argv: tuple[str, ...]) -> None:
        """Run a command on this machine."""
        program = self.program
        done = subprocess.run(
            argv, cwd=program.folder, env={**os.environ, **program.environment}, capture_output=True, text=True,
            timeout=RELOAD_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise ProgramError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()[-300:]}")

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False if it does not come in time."""
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End what is left of it at once."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # nothing is left
        finally:
            self.popen.wait()
