"""The processes of the demo: rendered configuration, Caddy, and the app server behind it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tools.demo import certs

__all__ = ["BACKENDS", "ROOT", "Process", "Stack", "StackError", "hostnames"]

ROOT = Path(__file__).resolve().parent.parent.parent
SITE = Path("examples/demo/site.yaml")
APP = "examples.demo.app:app"
BIN = Path(sys.executable).parent
BACKENDS = ("appserver", "hypercorn")
START_SECONDS = 20.0
STOP_SECONDS = 15.0


class StackError(Exception):
    """The stack could not be brought up; the message says which part, and where its log is."""


def hostnames() -> list[str]:
    """Return the names of the demo's site."""
    spec = yaml.safe_load((ROOT / SITE).read_text(encoding="utf-8"))
    return [str(name) for name in spec["sites"][0]["hostnames"]]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Say whether 127.0.0.1:`port` takes a connection."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Process:
    """One program that was started here, and its log."""

    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.name, self.log = name, log
        with log.open("wb") as output:
            # In a session of its own: Ctrl-C reaches the driver alone, which then stops the rest in order.
            self.popen = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def wait_until_accepts(self, port: int) -> None:
        """Return once `port` takes connections; raise if the program ends or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not accepts(port):
            code = self.popen.poll()
            if code is not None:
                raise StackError(f"{self.name} ended with exit code {code}{self.tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} did not listen on port {port} in {START_SECONDS:g} s{self.tail()}")
            time.sleep(0.02)

    def tail(self) -> str:
        """Return the end of the log, for an error message."""
        lines = self.log.read_text(errors="replace").splitlines()[-12:]
        return "; the end of {}:\n{}".format(self.log, "\n".join("    " + line for line in lines))

    def stop(self) -> None:
        """End the program: politely, then not."""
        if self.popen.poll() is not None:
            return
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class Stack:
    """Everything one demo runs on: files in `directory`, two free ports, two processes."""

    def __init__(self, directory: Path, backend: str) -> None:
        self.directory, self.backend = directory, backend
        self.hostname = hostnames()[0]
        self.https_port, self.app_port = free_port(), free_port()
        directory.mkdir(parents=True, exist_ok=True)
        self.certificates = certs.make(directory, hostnames())
        self.server: Process | None = None
        self.caddy: Process | None = None

    @property
    def url(self) -> str:
        """The site as a client names it."""
        return f"https://{self.hostname}:{self.https_port}"

    def render(self) -> list[Path]:
        """Render both ends of the hop from the one spec."""
        values = {
            "HTTPS_PORT": self.https_port,
            "APP_PORT": self.app_port,
            "CERT": self.certificates.certificate,
            "KEY": self.certificates.key,
        }
        settings = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        for target in ("caddy", "appserver"):
            command = [str(BIN / "proxyconf"), "render", target, str(SITE), *settings, "-o", str(self.directory)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise StackError(f"proxyconf render {target} failed:\n{done.stderr or done.stdout}")
        return [self.directory / "Caddyfile", self.directory / "appserver.toml"]

    def start_server(self) -> None:
        """Start the app server, or the control in its place, on the same port."""
        commands = {
            "appserver": [BIN / "appserver", APP, "-c", self.directory / "appserver.toml"],
            "hypercorn": [BIN / "hypercorn", APP, "--bind", f"127.0.0.1:{self.app_port}", "--graceful-timeout", 30],
        }
        command = [str(word) for word in commands[self.backend]]
        # Development mode would change what is measured; a user's own settings must not leak in.
        environment = {"PYTHONDONTWRITEBYTECODE": "1"}
        self.server = Process(self.backend, command, self.directory / f"{self.backend}.log", environment)
        self.server.wait_until_accepts(self.app_port)

    def start_caddy(self) -> None:
        """Start Caddy; what it keeps on disk stays in the demo's directory."""
        home = str(self.directory / "caddy-home")
        environment = {"HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        command = [str(BIN / "caddy"), "run", "--adapter", "caddyfile", "--config", str(self.directory / "Caddyfile")]
        self.caddy = Process("caddy", command, self.directory / "caddy.log", environment)
        self.caddy.wait_until_accepts(self.https_port)

    def stop(self) -> None:
        """Stop what runs, the proxy first."""
        for process in (self.caddy, self.server):
            if process is not None:
                process.stop()
