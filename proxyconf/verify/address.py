"""Where a program listens: HOST:PORT or unix:PATH."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Address", "free_port"]


@dataclass(frozen=True, slots=True)
class Address:
    """One listener, spelled as in the journal and in configurations."""

    text: str

    @property
    def path(self) -> Path | None:
        """The socket's path, of a unix socket."""
        return Path(self.text.removeprefix("unix:")) if self.text.startswith("unix:") else None

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Host and port, of TCP."""
        host, _, port = self.text.rpartition(":")
        return host.strip("[]"), int(port)

    def accepts(self) -> bool:
        """Whether somebody takes a connection there now."""
        family = socket.AF_UNIX if self.path else socket.AF_INET6 if self.text.startswith("[") else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(1)
            return probe.connect_ex(str(self.path) if self.path else self.host_and_port) == 0


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
