"""The set-up's scripts say what is missing where they cannot install it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "tools" / script), *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, cwd="/", capture_output=True, text=True, check=False
    )


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """Return a PATH on which the user is not root."""
    program = tmp_path / "id"
    program.write_text("#!/bin/sh\necho 1000\n")
    program.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def test_the_chosen_interpreter_is_taken() -> None:
    found = run("find_python.sh", "--any", PYTHON=sys.executable)
    assert found.stdout.strip() == sys.executable


def test_an_interpreter_that_is_not_there_is_named() -> None:
    found = run("find_python.sh", PYTHON="/nonexistent/python")
    assert (found.returncode, found.stdout) == (1, "")
    assert "/nonexistent/python" in found.stderr


def test_an_interpreter_of_a_wrong_version_says_which_are_right(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho '3.11 to 3.14 is needed' >&2\nexit 1\n")
    old.chmod(0o755)
    found = run("find_python.sh", PYTHON=str(old))
    assert (found.returncode, found.stderr) == (1, f"  not {old}: 3.11 to 3.14 is needed\n")


def test_without_root_the_missing_packages_are_named(nobody: str) -> None:
    done = run("packages.sh", "build", PATH=nobody, CC="no-such-compiler", NGHTTP2_PREFIX="")
    assert done.returncode == 1
    assert "sudo apt-get install gcc libc6-dev libnghttp2-dev" in done.stderr


def test_nothing_missing_is_nothing_said(nobody: str) -> None:
    done = run("packages.sh", "python", PATH=nobody, PYTHON=sys.executable)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(f"make {target} " in listed for target in ("setup", "demo", "test", "h2spec", "bench", "clean"))


def test_a_change_of_any_source_of_the_kernel_builds_it_anew() -> None:
    looked_at = set(re.findall(r"-name '\*(\.\w+)'", (ROOT / "tools" / "setup.sh").read_text(encoding="utf-8")))
    listing = subprocess.run(["git", "ls-files", "appserver"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    suffixes = {Path(name).suffix for name in listing.split()}
    # Python modules that are compiled are listed by tools/compiled.py.
    assert suffixes - {".py", ".pyi", ".typed"} <= looked_at
