"""Which event loop, and how that is said."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from appserver.errors import ConfigError
from appserver.worker.loop import choose_loop

MADE = object()


@pytest.fixture
def uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = SimpleNamespace(new_event_loop=lambda: MADE, __version__="9.9")
    monkeypatch.setitem(sys.modules, "uvloop", module)


@pytest.fixture
def _no_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)


@pytest.mark.usefixtures("uvloop")
@pytest.mark.parametrize("wish", ["auto", "uvloop"])
def test_uvloop_if_it_is_there(wish: str) -> None:
    factory, name = choose_loop(wish)

    assert factory() is MADE
    assert name == "uvloop 9.9"


@pytest.mark.usefixtures("uvloop")
def test_asyncio_if_it_is_asked_for() -> None:
    assert choose_loop("asyncio") == (asyncio.new_event_loop, "asyncio")


@pytest.mark.usefixtures("_no_uvloop")
@pytest.mark.parametrize("wish", ["auto", "asyncio"])
def test_asyncio_if_there_is_nothing_else(wish: str) -> None:
    assert choose_loop(wish) == (asyncio.new_event_loop, "asyncio")


@pytest.mark.usefixtures("_no_uvloop")
def test_uvloop_that_is_asked_for_and_missing() -> None:
    with pytest.raises(ConfigError, match=r"^server\.loop = uvloop: .*; install it \(pip install uvloop\) or --loop asyncio$"):
        choose_loop("uvloop")
