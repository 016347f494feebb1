"""The engines every test of this directory runs against.

`LASTHOP_ENGINES=kernel,pure` names the engines to test and makes a missing one a failure; without it the kernel
may be missing.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.engines.differences import TESTS
from tests.engines.talk import MAKE, Talk

DEMANDED = tuple(name for name in os.environ.get("LASTHOP_ENGINES", "").split(",") if name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs the kernel where only the other engine is demanded: there is nothing to skip."""
    if DEMANDED and "kernel" not in DEMANDED:
        needing = [item for item in items if "kernel_engine" in getattr(item, "fixturenames", ())]
        items[:] = [item for item in items if item not in needing]
        config.hook.pytest_deselected(items=needing)


def load(name: str) -> MAKE:
    """Return an engine's class; skips, or fails if it was demanded, naming what is missing."""
    try:
        module = importlib.import_module(f"appserver.h2.{name}")
        engine: MAKE = module.Engine
    except (ImportError, AttributeError) as error:
        message = f"the {name} engine cannot be imported: {error}"
        if name in DEMANDED:
            pytest.fail(message)
        pytest.skip(message)
    return engine


@pytest.fixture(params=DEMANDED or ("pure", "kernel"))
def make(request: pytest.FixtureRequest) -> MAKE:
    reason = TESTS.get((request.param, request.function.__name__))
    if reason is not None:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return load(request.param)


@pytest.fixture(scope="session")
def kernel_engine() -> MAKE:
    return load("kernel")


@pytest.fixture
def kernel(kernel_engine: MAKE) -> Talk:
    return Talk(kernel_engine)


@pytest.fixture
def talk(make: MAKE) -> Talk:
    return Talk(make)


@pytest.fixture
def open_talk(make: MAKE) -> Callable[..., Talk]:
    """A connection with other limits, windows or settings."""

    def start(**options: Any) -> Talk:
        return Talk(make, **options)

    return start
