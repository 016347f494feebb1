"""Which engine is taken, and what is said of it."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

from appserver.errors import ConfigError
from appserver.h2 import CONSEQUENCES, describe, load_engine, missing_limiters


def without_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "appserver.h2.kernel", None)


def with_limiters(monkeypatch: pytest.MonkeyPatch, **there: bool) -> None:
    class Kernel:
        @staticmethod
        def limiters() -> dict[str, bool]:
            return there

    monkeypatch.setitem(sys.modules, "appserver.h2.kernel", Kernel)


def test_pure_is_there_when_it_is_asked_for() -> None:
    engine, name, why = load_engine("pure")
    assert (engine, name, why) == (importlib.import_module("appserver.h2.pure").Engine, "pure", "asked for")


def test_auto_without_a_kernel_is_pure_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    without_kernel(monkeypatch)
    _, name, why = load_engine("auto")
    assert name == "pure"
    assert "the kernel cannot be imported" in why
    assert describe()["engine"] == "pure"


def test_a_kernel_that_was_not_built_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    without_kernel(monkeypatch)
    with pytest.raises(ConfigError, match=r"kernel.*--h2-engine pure"):
        load_engine("kernel")


@pytest.mark.parametrize(
    ("there", "missing"),
    [(dict.fromkeys(CONSEQUENCES, True), set()), (dict.fromkeys(CONSEQUENCES, False), set(CONSEQUENCES))],
)
def test_missing_limiters_are_named_with_what_follows(
    monkeypatch: pytest.MonkeyPatch, there: dict[str, Any], missing: set[str]
) -> None:
    with_limiters(monkeypatch, **there)
    assert set(missing_limiters("kernel")) == missing
    assert missing_limiters("pure") == {}
