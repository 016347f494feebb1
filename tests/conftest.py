"""What every suite shares: which build is under test is said, and is the one that was asked for."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

import pytest

import appserver

KERNEL = "appserver.h2.kernel._kernel"


def build_under_test() -> str:
    """Return kernel or uncompiled: what `import appserver...` gives here."""
    try:
        importlib.import_module(KERNEL)
    except ModuleNotFoundError:
        return "uncompiled"
    return "kernel"


def pytest_report_header() -> list[str]:
    """Say what is tested."""
    where = Path(appserver.__file__).parent
    return [f"appserver: {build_under_test()}, from {where}; {sys.implementation.cache_tag}"]


def pytest_configure() -> None:
    """Refuse to test another build than EXPECT_BUILD: a checkout shadows what was installed."""
    # A suite that was started in the background ignores SIGINT, and so would the programs that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    expected = os.environ.get("EXPECT_BUILD", "")
    if expected and expected != build_under_test():
        pytest.exit(f"EXPECT_BUILD={expected}, but {build_under_test()} would be tested", returncode=3)
