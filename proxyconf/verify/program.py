"""One program that verify starts: how to run, reload and stop it, and the process while it runs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxyconf.verify.address import Address

__all__ = ["Process", "Program", "ProgramError"]

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

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"


class Process:
    """A program that was started here; it is ended by its id and, if it left children, by those of its own session."""

    def __init__(self, program: Program) -> None:
        self.program = program
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
        how, program = self.program.reload, self.program
        assert how is not None, f"{program.name} has no way to reload"
        if isinstance(how, signal.Signals):
            self.popen.send_signal(how)
            return
        how = tuple(word.replace("{pid}", str(self.popen.pid)) for word in how)
        environment = {**os.environ, **program.environment}
        done = await asyncio.to_thread(
            subprocess.run, how, cwd=program.folder, env=environment, capture_output=True, text=True,
            timeout=RELOAD_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise ProgramError(f"{' '.join(how)} ended with {done.returncode}: {done.stderr.strip()[-300:]}")

    async def stop(self) -> int:
        """Stop it gracefully, then not; returns its exit code."""
        if self.code is None:
            self.popen.send_signal(self.program.stop)
        try:
            await asyncio.to_thread(self.popen.wait, self.program.stop_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProgramError(f"{self.program.name} did not stop in {self.program.stop_seconds:g} s{self.tail()}") from None
        self.kill()
        assert self.code is not None
        return self.code

    def kill(self) -> None:
        """End what is left of it at once."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # nothing is left
        finally:
            self.popen.wait()

    def tail(self) -> str:
        """Return the end of the log, for an error message."""
        lines = self.program.log.read_text(errors="replace").splitlines()[-TAIL:]
        return f"; the end of {self.program.log}:\n" + "\n".join(f"    {line}" for line in lines)
