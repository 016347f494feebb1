"""A second opinion on the edge's protocol, by a client that is not ours."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

from proxyconf.verify.edge.link import Edge

__all__ = ["http_version_by_curl"]

SECONDS = 10


async def http_version_by_curl(edge: Edge, path: str) -> str | None:
    """Return the HTTP version that curl agrees on, or its complaint; None where there is no curl that speaks HTTP/2."""
    program = shutil.which("curl")
    if program is None or edge.proxy_protocol or not await asyncio.to_thread(_speaks_http2, program):
        return None
    trust = ["--cacert", str(edge.ca)] if edge.ca else [] if edge.verify else ["--insecure"]
    command = [
        program, "-sS", "--http2", *trust, "--connect-to", f"{edge.hostname}:{edge.port}:{edge.connect_to}:{edge.port}",
        "--max-time", str(SECONDS), "-o", "/dev/null", "-w", "%{http_version}", edge.url + path,
    ]  # fmt: skip
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else done.stderr.strip()


def _speaks_http2(program: str) -> bool:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return "HTTP2" in said
