"""The checks before anything is measured: the server has to answer correctly, and on the road to know the client."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.loadgen import AUTHORITY
from bench.scenarios import Scenario

__all__ = ["arguments", "wrong_answer", "wrong_client"]

SECONDS = 10
CLIENT = "203.0.113.77"


def arguments(scenario: Scenario, url: str, post: Path, answer: Path) -> list[str]:
    """Return the curl argv that puts one request of the scenario and writes status and version to stdout."""
    version = "--http1.1" if scenario.http1 else "--http2" if scenario.tls else "--http2-prior-knowledge"
    tls = ["--insecure"] if scenario.tls else []
    body = ["-H", "Expect:", "-H", "Content-Type: application/octet-stream", "--data-binary", f"@{post}"]
    return [
        "curl", "-q", "--noproxy", "*", "-sS", "-m", str(SECONDS), version, *tls, "-o", str(answer),
        "-H", f"Host: {AUTHORITY}", "-H", f"X-Forwarded-For: {CLIENT}",
        "-w", "%{http_code} %{http_version}", *(body if scenario.post else []), url,
    ]


def wrong_answer(scenario: Scenario, url: str, post: Path, answer: Path) -> str:
    """Return what is wrong with the answer to one request, or an empty string."""
    if scenario.websocket:
        return ""  # the generator compares each message with what it sent
    return _wrong(scenario, url, post, answer, scenario.answer)


def wrong_client(scenario: Scenario, url: str, answer: Path) -> str:
    """Return what is wrong with the client's address as the application is told it, or an empty string."""
    problem = _wrong(scenario, url, answer, answer, CLIENT.encode())
    return problem and f"X-Forwarded-For is not believed: {problem}"


def _wrong(scenario: Scenario, url: str, post: Path, answer: Path, expected_body: bytes) -> str:
    answer.unlink(missing_ok=True)
    done = subprocess.run(arguments(scenario, url, post, answer), capture_output=True, text=True, check=False)
    if done.returncode:
        return f"curl: {done.stderr.strip() or f'exit {done.returncode}'}"
    expected = f"200 {'1.1' if scenario.http1 else '2'}"
    if done.stdout != expected:
        return f"status and version are {done.stdout}, expected {expected}"
    body = answer.read_bytes() if answer.exists() else b""
    if body != expected_body:
        return f"the body is wrong: {len(body)} bytes {body[:20]!r}, expected {len(expected_body)}"
    return ""
