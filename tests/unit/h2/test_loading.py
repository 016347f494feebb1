"""Which HTTP/2 engine is taken, and why."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from appserver.errors import ConfigError
from appserver.h2 import describe, load_engine
from appserver.h2.pure import Engine as Pure

KERNEL = type("Kernel", (), {})


@pytest.fixture
def _built(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(Engine=KERNEL, nghttp2_version=lambda: "1.99.0")
    monkeypatch.setitem(sys.modules, "appserver.h2.kernel", module)


@pytest.fixture
def _not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "appserver.h2.kernel", None)


@pytest.mark.usefixtures("_built")
@pytest.mark.parametrize("wish", ["auto", "kernel"])
def test_the_kernel_if_it_was_built(wish: str) -> None:
    assert load_engine(wish) == (KERNEL, "kernel", "libnghttp2 1.99.0")


@pytest.mark.usefixtures("_built")
def test_the_pure_engine_if_it_is_asked_for() -> None:
    assert load_engine("pure") == (Pure, "pure", "asked for")


@pytest.mark.usefixtures("_not_built")
def test_the_pure_engine_says_why_it_is_not_the_kernel() -> None:
    engine, name, why = load_engine("auto")

    assert (engine, name) == (Pure, "pure")
    assert why.startswith("the kernel cannot be imported: ")


@pytest.mark.usefixtures("_not_built")
def test_a_kernel_that_is_asked_for_and_missing() -> None:
    with pytest.raises(ConfigError) as caught:
        load_engine("kernel")

    assert str(caught.value).startswith("h2.engine = kernel: the kernel cannot be imported: ")
    assert str(caught.value).endswith("build it (make setup, needs a C compiler and libnghttp2-dev) or choose --h2-engine pure")


@pytest.mark.usefixtures("_built")
def test_what_the_version_says_of_a_kernel() -> None:
    told = describe()

    assert (told["engine"], told["reason"], told["nghttp2"]) == ("kernel", "libnghttp2 1.99.0", "1.99.0")
    assert told["compiled"] in ("compiled", "not compiled")


@pytest.mark.usefixtures("_not_built")
def test_what_the_version_says_without_one() -> None:
    told = describe()

    assert (told["engine"], told["nghttp2"]) == ("pure", "none")
