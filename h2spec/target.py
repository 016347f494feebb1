"""Whom h2spec is run against: each engine of ours, a control server, or whatever listens somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bench.process import free_port
from proxyconf.verify.certificates import make

__all__ = ["CONTROLS", "ENGINES", "Target", "control", "elsewhere", "engine"]

HERE = Path(__file__).resolve().parent
ENGINES = ("kernel", "pure")
OURS = "{python} -m appserver app:app --bind 127.0.0.1:{port} --loop auto --log-level warning --h2-engine {engine}"
TLS = " --certfile {certificate} --keyfile {key}"
OVER_TLS = "-tls"
CONTROLS = {
    "hypercorn": "{python} -m hypercorn app:app --bind 127.0.0.1:{port} --log-level warning",
    "granian": "{python} -m granian app:app --interface asgi --host 127.0.0.1 --port {port} --log-level warning",
    "h2corn": "{python} -m h2corn app:app --bind 127.0.0.1:{port} --no-access-log",
    "uvicorn": "{python} -m uvicorn app:app --host 127.0.0.1 --port {port} --http zttp --http2 --log-level warning",
    "nghttpd": "nghttpd --no-tls -a 127.0.0.1 -d {www} {port}",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A server to be judged: `argv` starts it in the folder of `app.py`; without argv it runs already."""

    name: str
    host: str
    port: int
    argv: tuple[str, ...] = ()
    nghttp2: str = ""
    tls: bool = False

    @property
    def engine(self) -> str:
        """Whom waivers name: they are the same over TLS."""
        return self.name.removesuffix(OVER_TLS)


def engine(name: str, certificates: Path | None = None) -> Target:
    """Return `appserver` with that engine, on a free port; over TLS with the files in this folder."""
    nghttp2 = nghttp2_version() if name == "kernel" else ""
    if certificates is None:
        return _started(name, OURS, nghttp2=nghttp2, engine=name)
    made = make(certificates, ["localhost"])
    words = {"certificate": str(made.certificate), "key": str(made.key)}
    return replace(_started(name + OVER_TLS, OURS + TLS, nghttp2=nghttp2, engine=name, **words), tls=True)


def control(name: str, www: Path) -> Target:
    """Return another server in its place; `www` is the folder for those that serve files."""
    return _started(name, CONTROLS[name], www=str(www))


def elsewhere(address: str) -> Target:
    """Return what listens on HOST:PORT."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{address} is not HOST:PORT")
    return Target("target", host.strip("[]"), int(port))


def _started(target: str, command: str, nghttp2: str = "", **values: str) -> Target:
    port = free_port()
    filled = [part.format(python=sys.executable, port=port, **values) for part in command.split()]
    return Target(target, "127.0.0.1", port, tuple(filled), nghttp2)


def nghttp2_version() -> str:
    """Return the libnghttp2 that `appserver` says its kernel uses, or an empty string."""
    done = subprocess.run(
        [sys.executable, "-m", "appserver", "--version"], cwd=HERE, capture_output=True, text=True, check=False
    )
    match = re.search(r"nghttp2[ /=:]+v?(\d+(?:\.\d+)+)", done.stdout)
    return match[1] if match else ""
