"""What the proofs of the proxies share: one application, and each proxy started once for a site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.interop.hop import Origin, Stacks, free_port, origin


@pytest.fixture(scope="module")
def app() -> Iterator[Origin]:
    """Return the application behind the proxies."""
    with origin(f"127.0.0.1:{free_port()}") as app:
        yield app


@pytest.fixture(scope="module")
def stacks(app: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """Return what starts proxies in front of it."""
    with ExitStack() as exits:
        yield Stacks(app, tmp_path_factory, exits)
