"""The servers: ours, the peers, and nghttpd as the limit; one row each, with the exact command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.scenarios import Scenario

__all__ = ["KERNEL", "LIMIT", "OURS", "QUICK", "SERVERS", "Server", "named"]

KERNEL = "kernel"
LIMIT = "nghttpd"
OURS = (KERNEL, "pure")
QUICK = (KERNEL, "h2corn", LIMIT)


@dataclass(frozen=True, slots=True)
class Server:
    """One server: `command` is filled with {bin}, {app}, {port} and {www}.

    `package` is the distribution that has to be installed, `protocols` those it is measured with.
    """

    id: str
    title: str
    command: str
    package: str
    protocols: tuple[str, ...] = ("h2", "h1")

    def argv(self, bin_dir: Path, app: str, port: int, www: Path) -> list[str]:
        """Return the argv that serves `app` (or the folder `www`) on that port."""
        values = {"bin": str(bin_dir), "app": app, "port": str(port), "www": str(www)}
        return [part.format(**values) for part in self.command.split()]

    def serves(self, scenario: Scenario) -> bool:
        """Whether the scenario can be put to this server."""
        return scenario.limit if self.id == LIMIT else scenario.protocol in self.protocols


APPSERVER = (
    "{bin}/python -m appserver {app} --bind 127.0.0.1:{port} --loop uvloop --log-level warning --h2-engine "
)
UVICORN = "{bin}/uvicorn {app} --host 127.0.0.1 --port {port} --loop uvloop --no-access-log --log-level warning "

SERVERS = (
    Server(KERNEL, "appserver, kernel", APPSERVER + "kernel", "lasthop"),
    Server("pure", "appserver, pure", APPSERVER + "pure", "lasthop", ("h2",)),
    Server(
        "h2corn", "h2corn",
        "{bin}/h2corn {app} --bind 127.0.0.1:{port} --workers 1 --loop uvloop --no-access-log", "h2corn",
    ),
    Server(
        "granian", "granian",
        "{bin}/granian {app} --interface asgi --host 127.0.0.1 --port {port} --http auto --workers 1 --loop uvloop"
        " --no-access-log --log-level warning", "granian",
    ),
    Server("uvicorn-zttp", "uvicorn, zttp", UVICORN + "--http zttp --http2", "zttp"),
    Server("uvicorn", "uvicorn, httptools", UVICORN + "--http httptools", "uvicorn", ("h1",)),
    Server(
        "hypercorn", "hypercorn",
        "{bin}/hypercorn {app} --bind 127.0.0.1:{port} --worker-class uvloop --workers 1 --log-level warning",
        "Hypercorn",
    ),
    Server(
        "gunicorn", "gunicorn, asgi",
        "{bin}/gunicorn {app} -k asgi --asgi-loop uvloop --bind 127.0.0.1:{port} --workers 1 --log-level warning",
        "gunicorn", ("h1",),
    ),
    Server(LIMIT, "nghttpd, a file", "nghttpd --no-tls -n1 -a 127.0.0.1 -d {www} {port}", "", ("h2",)),
)


def named(ids: list[str]) -> list[Server]:
    """Return the servers of these ids, in their own order."""
    return [server for server in SERVERS if server.id in ids]
