"""The check before anything is measured: the server has to answer the scenario correctly."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.scenarios import Scenario

__all__ = ["arguments", "wrong_answer"]

SECONDS = 10


def arguments(scenario: Scenario, url: str, post: Path, answer: Path) -> list[str]:
    """Return the curl argv that puts one request of the scenario and writes status and version to stdout."""
    version = "--http1.1" if scenario.http1 else "--http2-prior-knowledge"
    body = ["-H", "Expect:", "-H", "Content-Type: application/octet-stream", "--data-binary", f"@{post}"]
    return [
        "curl", "-q", "--noproxy", "*", "-sS", "-m", str(SECONDS), version, "-o", str(answer),
        "-w", "%{http_code} %{http_version}", *(body if scenario.post else []), url,
    ]


def wrong_answer(scenario: Scenario, url: str, post: Path, answer: Path) -> str:
    """Return what is wrong with the answer to one request, or an empty string."""
    answer.unlink(missing_ok=True)
    done = subprocess.run(arguments(scenario, url, post, answer), capture_output=True, text=True, check=False)
    if done.returncode:
        return f"curl: {done.stderr.strip() or f'exit {done.returncode}'}"
    expected = f"200 {'1.1' if scenario.http1 else '2'}"
    if done.stdout != expected:
        return f"status and version are {done.stdout}, expected {expected}"
    body = answer.read_bytes() if answer.exists() else b""
    if body != scenario.answer:
        return f"the body is wrong: {len(body)} bytes {body[:20]!r}, expected {len(scenario.answer)}"
    return ""
