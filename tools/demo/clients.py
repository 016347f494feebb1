"""HTTP clients of the demo: real HTTP/2 through TLS, from a chosen address of the loopback."""

from __future__ import annotations

import shutil
import ssl
import subprocess

import httpx

from tools.demo.stack import Stack

__all__ = ["curl_version", "outside", "stranger"]

TIMEOUT = httpx.Timeout(30.0)


class Pinned(httpx.AsyncHTTPTransport):
    """Connects to 127.0.0.1 whatever the host is called; SNI, certificate check and Host stay with the name."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the loopback."""
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1")
        return await super().handle_async_request(request)


def outside(stack: Stack, source: str = "127.0.0.1", http1: bool = False) -> httpx.AsyncClient:
    """Return a client of the site on `source`, which knows only the throw-away CA."""
    context = ssl.create_default_context(cafile=stack.certificates.ca)
    transport = Pinned(verify=context, http1=http1, http2=not http1, local_address=source)
    return httpx.AsyncClient(transport=transport, base_url=stack.url, timeout=TIMEOUT)


def stranger(stack: Stack, source: str) -> httpx.AsyncClient:
    """Return a client that speaks h2c straight to the app server, past the proxy."""
    transport = httpx.AsyncHTTPTransport(http1=False, http2=True, local_address=source)
    return httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{stack.app_port}", timeout=TIMEOUT)


def curl_version(stack: Stack) -> str | None:
    """Return the HTTP version that curl agrees on with the edge, or None where there is no curl."""
    if shutil.which("curl") is None:
        return None
    resolve = f"{stack.hostname}:{stack.https_port}:127.0.0.1"
    done = subprocess.run(
        ["curl", "-sS", "--http2", "--cacert", str(stack.certificates.ca), "--resolve", resolve,
         "--max-time", "10", "-o", "/dev/null", "-w", "%{http_version}", stack.url + "/scope"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout if done.returncode == 0 else done.stderr.strip()
