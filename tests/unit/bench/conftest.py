"""The load generator, built once with sanitizers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import loadgen
from tests.unit.bench.recording import Generator

SANITIZED = (*loadgen.FLAGS, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="session")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """Build it so that a wrong access to memory ends it."""
    folder: Path = tmp_path_factory.mktemp("loadgen")
    try:
        return Generator(loadgen.build(folder, flags=SANITIZED))
    except loadgen.BuildFailed as error:
        if "san" not in str(error):
            raise
        return Generator(loadgen.build(folder))  # a compiler that has no sanitizers
