"""The servers: ours, the peers, and nghttpd as the limit; one row each, with the exact command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bench.certificate import Certificate
from bench.scenarios import CLIENT_APP, ROAD_APP, Scenario

__all__ = ["KERNEL", "LIMIT", "LOGGING", "OURS", "QUICK", "SERVERS", "Server", "is_ours", "kernel_at", "named"]

KERNEL = "kernel"
LOGGING = "kernel-log"
LIMIT = "nghttpd"
OURS = (KERNEL, LOGGING, "pure")
QUICK = (KERNEL, "h2corn", LIMIT)


@dataclass(frozen=True, slots=True)
class Server:
    """One server: `command` is filled with {bin}, {app}, {port}, {www} and {log}.

    `tls` are the options that are added to speak TLS, with {certfile} and {keyfile}, `cleartext` those not to.

    `package` is the distribution that has to be installed, `protocols` those it is measured with. On the road its
    own reading of X-Forwarded-For is switched on: by the options `forwarding`, or by the module `wrapped`, which wraps
    the applications; `forwards` says that it then tells the application who the client is, and that is checked.
    """

    id: str
    title: str
    command: str
    package: str
    protocols: tuple[str, ...] = ("h2", "h1", "ws")
    forwarding: str = ""
    wrapped: str = ""
    forwards: bool = True
    road_only: bool = False
    bin_dir: Path | None = None
    tls: str = "--certfile {certfile} --keyfile {keyfile}"
    cleartext: str = ""

    def argv(
        self, bin_dir: Path, app: str, port: int, www: Path, log: Path = Path("access.log"),
        certificate: Certificate | None = None,
    ) -> list[str]:
        """Return the argv that serves `app` (or the folder `www`) on that port; with a certificate over TLS."""
        command = f"{self.command} {self.tls if certificate else self.cleartext}"
        if app in (ROAD_APP, CLIENT_APP):
            command = f"{command} {self.forwarding}"
            app = f"{self.wrapped}:{app.partition(':')[2]}" if self.wrapped else app
        values = {"bin": str(self.bin_dir or bin_dir), "app": app, "port": str(port), "www": str(www), "log": str(log)}
        if certificate:
            values |= {"certfile": str(certificate.certfile), "keyfile": str(certificate.keyfile)}
        return [part.format(**values) for part in command.split()]

    def serves(self, scenario: Scenario) -> bool:
        """Whether the scenario can be put to this server."""
        if self.id == LIMIT:
            return scenario.limit
        return scenario.protocol in self.protocols and (scenario.varied or not self.road_only)


APPSERVER = (
    "{bin}/python -m appserver {app} --bind 127.0.0.1:{port} --loop uvloop --log-level warning --h2-engine "
)
UVICORN = "{bin}/uvicorn {app} --host 127.0.0.1 --port {port} --loop uvloop --no-access-log --log-level warning "
UVICORN_TLS = "--ssl-certfile {certfile} --ssl-keyfile {keyfile}"
UVICORN_TRUST = "--proxy-headers --forwarded-allow-ips 127.0.0.1"
TRUST = "--forwarded-trust 127.0.0.1"

SERVERS = (
    Server(KERNEL, "appserver, kernel", APPSERVER + "kernel", "lasthop", forwarding=TRUST),
    Server(LOGGING, "appserver, access log", APPSERVER + "kernel --log-access {log}", "lasthop", forwarding=TRUST,
           road_only=True),
    Server("pure", "appserver, pure", APPSERVER + "pure", "lasthop", ("h2",), forwarding=TRUST),
    Server(
        "h2corn", "h2corn",
        "{bin}/h2corn {app} --bind 127.0.0.1:{port} --workers 1 --loop uvloop --no-access-log", "h2corn",
        forwarding="--proxy-headers --forwarded-allow-ips 127.0.0.1",
    ),
    Server(
        "granian", "granian",
        "{bin}/granian {app} --interface asgi --host 127.0.0.1 --port {port} --http auto --workers 1 --loop uvloop"
        " --no-access-log --log-level warning", "granian", wrapped="granian_apps",
        tls="--ssl-certificate {certfile} --ssl-keyfile {keyfile}",
    ),
    Server("uvicorn-zttp", "uvicorn, zttp", UVICORN + "--http zttp --http2", "zttp", ("h2", "h1"), forwarding=UVICORN_TRUST,
           tls=UVICORN_TLS),
    Server("uvicorn", "uvicorn, httptools", UVICORN + "--http httptools", "uvicorn", ("h1",), forwarding=UVICORN_TRUST,
           tls=UVICORN_TLS),
    Server("uvicorn-ws", "uvicorn, websockets", UVICORN + "--ws websockets-sansio", "websockets", ("ws",)),
    Server("uvicorn-wsproto", "uvicorn, wsproto", UVICORN + "--ws wsproto", "wsproto", ("ws",)),
    Server(
        "hypercorn", "hypercorn",
        "{bin}/hypercorn {app} --bind 127.0.0.1:{port} --worker-class uvloop --workers 1 --log-level warning",
        "Hypercorn", forwards=False,
    ),
    Server(
        "gunicorn", "gunicorn, asgi",
        "{bin}/gunicorn {app} -k asgi --asgi-loop uvloop --bind 127.0.0.1:{port} --workers 1 --log-level warning",
        "gunicorn", ("h1",), forwarding="--forwarded-allow-ips 127.0.0.1", forwards=False,
    ),
    Server(
        LIMIT, "nghttpd, a file", "nghttpd -n1 -a 127.0.0.1 -d {www} {port}", "", ("h2",), forwards=False,
        tls="{keyfile} {certfile}", cleartext="--no-tls",
    ),
)


def named(ids: list[str]) -> list[Server]:
    """Return the servers of these ids, in their own order."""
    return [server for server in SERVERS if server.id in ids]


def kernel_at(name: str, bin_dir: Path) -> Server:
    """Return our kernel as it is in another checkout, installed there."""
    return replace(SERVERS[0], id=f"{KERNEL}@{name}", title=f"appserver at {name}", bin_dir=bin_dir)


def is_ours(server: str) -> bool:
    """Whether that id is a server of this checkout, or of another one."""
    return server in OURS or server.startswith(f"{KERNEL}@")
