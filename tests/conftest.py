"""What every suite shares: which build is under test is said, and is the one that was asked for."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import appserver

KERNEL = "appserver.h2.kernel._kernel"

# How long an example takes says how loaded the machine is, and nothing of the code.
settings.register_profile("lasthop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# CI tries the same examples of one commit each time: what it finds is of the commit, and found again at home.
settings.register_profile("lasthop-ci", settings.get_profile("lasthop"), derandomize=True, print_blob=True)
settings.load_profile("lasthop-ci" if os.environ.get("LASTHOP_CI") else "lasthop")


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
    # A suite that was started in the background, or by nohup, ignores these, and so would the programs that tests start and signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    expected = os.environ.get("EXPECT_BUILD", "")
    if expected and expected != build_under_test():
        pytest.exit(f"EXPECT_BUILD={expected}, but {build_under_test()} would be tested", returncode=3)


def pytest_collection_finish() -> None:
    """Take the tests themselves out of what the collector looks at: they stay, and many tests collect."""
    gc.collect()
    gc.freeze()
