"""h2load: its arguments, and what its output says."""

from __future__ import annotations

import re

from bench.load import Counts, LoadFailed

__all__ = ["arguments", "parse"]

RATE = re.compile(r"finished in ([\d.]+)(us|ms|s|m|h)?, ([\d.]+) req/s")
REQUESTS = re.compile(
    r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout"
)
STATUS = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")
TLS = re.compile(r"^TLS Protocol: (\S+)\nCipher: (\S+)$", re.MULTILINE)
TRAFFIC = re.compile(r"traffic: .*\((\d+)\) total, .*\((\d+)\) headers.*, .*\((\d+)\) data")
VERSION, CIPHER = "TLSv1.3", "TLS_AES_128_GCM_SHA256"
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse(text: str, tls: bool = False) -> Counts:
    """Read h2load's summary; over TLS it must say that all connections were of the one version and cipher."""
    found = TLS.search(text)
    if tls and (found is None or found.groups() != (VERSION, CIPHER)):
        raise LoadFailed(f"not over {VERSION} with {CIPHER}: {' '.join(found.groups()) if found else 'no TLS'}")
    rate, requests, status, traffic = (
        pattern.search(text) for pattern in (RATE, REQUESTS, STATUS, TRAFFIC)
    )
    if rate is None or requests is None or status is None or traffic is None:
        last = [line for line in text.splitlines() if line.strip()][-1:]
        raise LoadFailed(f"h2load printed no summary: {' '.join(last) or '(nothing)'}")
    return Counts(
        seconds=float(rate[1]) * SECONDS[rate[2] or "s"],
        rate=float(rate[3]),
        total=int(requests[1]),
        ok=min(int(status[1]), int(requests[3])),
        data=int(traffic[3]),
        wire=int(traffic[1]),
    )


def arguments(
    url: str, clients: int, streams: int, *, requests: int = 0, seconds: float = 0, http1: bool = False, body: str = ""
) -> list[str]:
    """Return the argv of a run of that many requests, or of that many seconds."""
    size = [f"-n{requests}"] if requests else ["-D", f"{round(seconds * 1000)}ms"]
    argv = ["h2load", *size, f"-c{clients}", f"-m{streams}", "-t1"]
    if url.startswith("https:"):
        # The one cipher that is offered is what every server takes.
        argv.append(f"--tls13-ciphers={CIPHER}")
    if http1:
        argv.append("--h1")
    if body:
        argv += ["-d", body]
    return [*argv, url]
