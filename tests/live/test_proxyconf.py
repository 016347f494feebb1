"""`proxyconf` as a process: readers that leave, full disks, closed streams, Ctrl-C, no terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 60
COMMAND = (sys.executable, "-m", "proxyconf")


def run(shell: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which `proxyconf` is the command."""
    words = f"proxyconf() {{ {' '.join(COMMAND)} \"$@\"; }}; set -o pipefail; {shell}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.run(
        ["bash", "-c", words], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.mark.parametrize(
    ("shell", "code", "err"),
    [
        ("proxyconf matrix --page | true", 0, ""),
        ("proxyconf schema >/dev/full", 2, "proxyconf: stdout: cannot be written: No space left on device\n"),
        ("proxyconf schema >&-", 2, "proxyconf: stdout: cannot be written: it is closed\n"),
        ("proxyconf check missing 2>/dev/full", 2, ""),
        ("proxyconf check missing 2>&-", 2, ""),
        ("proxyconf fmt - <&-", 2, "proxyconf: stdin: cannot be read: it is closed\n"),
        ("proxyconf init </dev/null && proxyconf check site.yaml >/dev/null", 0, "Next: proxyconf check site.yaml\n"),
    ],
)
def test_streams(shell: str, code: int, err: str, tmp_path: Path) -> None:
    done = run(shell, tmp_path)
    assert (done.returncode, done.stderr) == (code, err)


def test_ctrl_c_at_a_question(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    try:
        process = subprocess.Popen([*COMMAND, "init", str(tmp_path / "site.yaml")], stdin=end, stdout=end, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Which host name")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    finally:
        os.close(terminal)
        os.close(end)
    assert (process.returncode, err) == (130, "proxyconf: interrupted\n")
    assert not (tmp_path / "site.yaml").exists()
