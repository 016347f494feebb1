"""What can stand behind the proxy: the probe origin, or an app server that runs the probe application or the user's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proxyconf.programs.run import find_program
from proxyconf.verify.address import Address
from proxyconf.verify.origin import asgi
from proxyconf.verify.program import Program

__all__ = ["PROBE_APP", "SERVERS", "Behind", "Server", "server_program"]

PROBE_APP = "proxyconf.verify.origin.asgi:app"


@dataclass(frozen=True, slots=True)
class Server:
    """An app server: its command with `{app}`, `{config}`, and `{binds}` for as many words as there are addresses."""

    name: str
    command: tuple[str, ...]
    bind: str = "--bind"
    features: tuple[str, ...] = ()  # beyond what a scope tells

    def argv(self, app: str, binds: Sequence[Address], config: Path | None) -> tuple[str, ...]:
        """Return the whole command; raises `ProgramMissing`."""
        places = [word for bind in binds for word in (self.bind, bind.text)] if config is None else ["-c", str(config)]
        words = [word.replace("{app}", app) for word in self.command]
        return (find_program(words[0]), *words[1:], *places)


SERVERS = {
    "appserver": Server("appserver", ("appserver", "{app}")),
    "hypercorn": Server("hypercorn", ("hypercorn", "{app}", "--graceful-timeout", "30"), features=("websocket",)),
}


@dataclass(frozen=True, slots=True)
class Behind:
    """What a user wants behind the proxy."""

    server: str = "origin"  # or a name of SERVERS
    app: str | None = None  # the user's own application in place of the probe's
    config: Path | None = None  # appserver.toml, for our own server
    cwd: Path | None = None  # where the user's application is found


def server_program(behind: Behind, binds: Sequence[Address], control: Path, folder: Path) -> Program:
    """Return the program that listens at `binds`."""
    if behind.server == "origin":
        words = [word for bind in binds for word in ("--bind", bind.text)]
        argv = (sys.executable, "-m", "proxyconf.verify.origin", "--control", str(control), *words)
        return Program("origin", argv, folder, (Address(f"unix:{control}"),))
    server = SERVERS[behind.server]
    argv = server.argv(behind.app or PROBE_APP, binds, behind.config)
    environment = {asgi.NAME: server.name, asgi.FEATURES: " ".join(server.features), "PYTHONDONTWRITEBYTECODE": "1"}
    ready = tuple(binds)
    if behind.app is None:
        environment[asgi.CONTROL] = str(control)
        ready = (*ready, Address(f"unix:{control}"))
    return Program(server.name, argv, folder, ready, environment, behind.cwd, stop_seconds=45)
