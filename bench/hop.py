"""A real proxy before each server: its configuration rendered by proxyconf from `site.yaml`, as users have it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.process import ServerFailed, ServerProcess, free_port
from bench.servers import Server

__all__ = ["HOPS", "Hop"]

HOPS = ("caddy",)
SITE = Path(__file__).with_name("site.yaml")


@dataclass(frozen=True, slots=True)
class Hop:
    """One kind of proxy; what it needs is in `bin_dir`, what it writes below `work`."""

    proxy: str
    bin_dir: Path
    work: Path

    def before(self, server: Server, app: str, port: int) -> ServerProcess:
        """Render and return the proxy, not yet started, that has this server behind it."""
        edge = free_port()
        folder = self.work / "hop" / f"{server.id}-{app}".replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        protocol = "h2c" if "h2" in server.protocols else "http1"
        settings = [f"EDGE_PORT={edge}", f"APP_PORT={port}", f"PROTOCOL={protocol}"]
        argv = [str(self.bin_dir / "python"), "-m", "proxyconf", "render", self.proxy, str(SITE), "-o", str(folder)]
        argv += [word for setting in settings for word in ("--set", setting)]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"proxyconf render {self.proxy}: {(done.stderr or done.stdout).strip()}")
        command = [str(self.bin_dir / "caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
        environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        return ServerProcess(command, edge, folder, folder / "proxy.log", environment)
