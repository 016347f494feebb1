"""`make demo` is a thin caller of `proxyconf verify`: its exit codes, and the stack that it leaves up for you."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxyconf.proxies.registry import names
from tests.support.process import ROOT

SECONDS = 60


@contextmanager
def demo(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demo."""
    command = [sys.executable, "-m", "tools.demo", "--directory", str(tmp_path / "out"), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)


@pytest.mark.slow
def test_the_demo_holds_and_leaves_the_stack_up(tmp_path: Path) -> None:
    with demo(tmp_path, "--keep") as process:
        assert process.stdout is not None
        lines: list[str] = []
        while "Ctrl-C stops it." not in (lines or [""])[-1]:
            line = process.stdout.readline()
            assert line, (lines, process.stderr and process.stderr.read())
            lines.append(line)
        out = "".join(lines)
        curl = re.search(r"^  (curl --cacert \S+ --resolve \S+ https://\S+/scope)$", out, re.MULTILINE)
        assert curl is not None
        said = subprocess.run(curl[1].split(), capture_output=True, text=True, check=True).stdout
        hinted = re.search(r"^  (curl .* -H 'TE: trailers' .*/hints)$", out, re.MULTILINE)
        assert hinted is not None
        heads = subprocess.run(shlex.split(hinted[1]), capture_output=True, text=True, check=True).stdout
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
    assert heads.startswith("HTTP/2 103")
    assert "\nx-sha256: " in heads
    assert '"http_version": "2"' in said
    assert '"client": [' in said
    assert process.returncode == 0
    assert re.search(r"^  (ok|skip) +PROXY v2 from a second proxy ", out, re.MULTILINE)
    assert re.search(r"^caddy \S+: \d+ passed, 0 failed, \d+ skipped\.$", out, re.MULTILINE)
    assert {"junit.xml", "report.html"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_an_unknown_proxy_is_a_mistake(tmp_path: Path) -> None:
    with demo(tmp_path, "--proxy", "squid") as process:
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert "invalid choice: 'squid'" in err
    assert all(name in err for name in names())


def test_an_interrupted_demo_says_so(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        while "serves https://" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, out.splitlines()[-1]) == (130, "==> stopped")
    assert not os.path.exists(tmp_path / "out/report.html")
