"""The stack under test on this machine: a proxy before an origin, and what the probes may do to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from proxyconf.verify.origin.control import Control
from proxyconf.verify.program import Process, Program, Running

__all__ = ["LocalStack"]


class LocalStack:
    """Runs two programs; entering starts them, leaving ends what is left. `control` is None without a probe origin."""

    def __init__(
        self, proxy: Program, server: Program, control: Path | None, start_proxy: Callable[[Program], Running] = Process
    ) -> None:
        self._start: dict[str, Callable[[Program], Running]] = {"server": Process, "proxy": start_proxy}
        self._programs = {"server": server, "proxy": proxy}
        self._path = control
        self._processes: dict[str, Running] = {}
        self.control: Control | None = None

    async def __aenter__(self) -> LocalStack:
        """Start both, the server first."""
        try:
            await self.ensure()
        except BaseException:
            self._kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both at once: what had to be graceful was tried before."""
        if self.control is not None:
            await self.control.close()
        self._kill()

    def _kill(self) -> None:
        for process in reversed(self._processes.values()):
            process.kill()

    def ended(self) -> list[str]:
        """Return what has ended although nobody stopped it."""
        return [f"{process.program.name} ended with exit code {process.code}{process.tail()}"
                for process in self._processes.values() if process.code is not None]  # fmt: skip

    async def ensure(self) -> None:
        """Start what does not run."""
        for role, program in self._programs.items():
            process = self._processes.get(role)
            if process is not None and process.code is None:
                continue
            self._processes[role] = self._start[role](program)
            await self._processes[role].until_ready()
            if role == "server" and self._path is not None:
                await self._connect(self._path)

    async def tidy(self) -> None:
        """Let go whatever a probe left waiting in the origin."""
        server = self._processes.get("server")
        if self.control is not None and server is not None and server.code is None:
            await self.control.reset()

    async def _connect(self, path: Path) -> None:
        if self.control is not None:
            await self.control.close()
        self.control = await Control.connect(path)

    async def reload(self) -> None:
        """Make the proxy load its configuration again."""
        await self._processes["proxy"].reload()

    async def stop_proxy(self) -> int:
        """Stop the proxy gracefully."""
        return await self._stop("proxy")

    async def stop_server(self) -> int:
        """Stop the server gracefully."""
        return await self._stop("server")

    async def _stop(self, role: str) -> int:
        process = self._processes[role]
        code = await process.stop()
        if self._processes.get(role) is process:
            del self._processes[role]
        return code
