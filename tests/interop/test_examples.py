"""The sites in examples/ on every proxy: accepted by its checker, and answered as the probes beside them say."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from proxyconf.document.findings import Level, Rule
from proxyconf.proxies.registry import names, proxy
from proxyconf.spec.read import load
from tests.interop.hop import REPOSITORY, Installed, Stack, free_port, installed, origin
from tests.interop.probing import Run, asked, differences, example, rendered_example
from tests.interop.servers import doorman, grpc_server

EXAMPLES = REPOSITORY / "examples"
SHOP = EXAMPLES / "shop"
REAL = sorted(path.parent for path in (EXAMPLES / "real").glob("*/site.yaml"))


def newest() -> list[Any]:
    """Return the newest version of each proxy that is here; a proxy that is not is skipped by name."""
    found: list[Any] = []
    for name in names():
        versions = sorted(installed(name), key=lambda one: one.version)
        missing = pytest.mark.skip(reason=f"no {name} here: python -m tools.proxies {name}")
        found.append(pytest.param(versions[-1], id=str(versions[-1])) if versions else pytest.param(None, id=name, marks=missing))
    return found


class Runs:
    """Examples with their upstreams running, each started once."""

    def __init__(self, factory: pytest.TempPathFactory, exits: ExitStack) -> None:
        self._factory, self._exits = factory, exits
        self._runs: dict[Path, Run] = {}

    def get(self, folder: Path) -> Run:
        """Return an example whose upstreams run."""
        if folder not in self._runs:
            files = self._factory.mktemp("srv") / "files"
            shutil.copytree(folder / "files", files) if (folder / "files").exists() else files.mkdir()
            for place in (files.parent, files, *files.rglob("*")):
                place.chmod(0o755 if place.is_dir() else 0o644)
            self._runs[folder] = self._started(folder, files)
        return self._runs[folder]

    def _started(self, folder: Path, files: Path) -> Run:
        found = example(folder)
        places = {variable: f"127.0.0.1:{free_port()}" for variable in found.upstreams}
        kinds = {variable: name for variable, name in found.upstreams.items() if name in ("grpc", "door", "dead")}
        for variable, kind in kinds.items():
            if kind == "grpc":
                places[variable] = self._exits.enter_context(grpc_server())
            elif kind == "door":
                self._exits.enter_context(origin(places[variable], doorman))
        first, *more = (places[variable] for variable in found.upstreams if variable not in kinds)
        self._exits.enter_context(origin(first, None, *more))
        return Run(found, places, files)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with ExitStack() as exits:
        yield Runs(tmp_path_factory, exits)


def accepted(on: Installed, folder: Path) -> None:
    """Let the proxy's own checker read what was rendered."""
    check = proxy(on.proxy).program.check
    if check:
        environment = {**os.environ, **proxy(on.proxy).program.environment, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        done = subprocess.run(on.command(check, folder), cwd=folder, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, (done.stderr or done.stdout)[-2000:]


def answered(on: Installed, run: Run, folder: Path) -> list[str]:
    """Render an example, let it be checked, run it, and return how its answers differ from what is expected."""
    stack = Stack(on, free_port(), free_port(), folder)
    bundle = rendered_example(run, stack)
    refusals = [finding for finding in bundle.findings if finding.level in (Level.ERROR, Level.REFUSED)]
    if refusals and on.proxy not in run.example.proxies and all(finding.rule is Rule.CANNOT for finding in refusals):
        return []  # by its table; who has to have it is in probes.yaml
    assert not refusals, [finding.message for finding in refusals]
    with asked(bundle, stack, run.example.certificates) as asker:
        accepted(on, folder)
        return differences(run.example.probes, asker, on, run.upstream_of)


@pytest.mark.parametrize("on", newest())
def test_the_shop_is_answered_alike_by_every_proxy(on: Installed, runs: Runs, tmp_path: Path) -> None:
    found = answered(on, runs.get(SHOP), tmp_path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", REAL, ids=lambda path: path.name)
@pytest.mark.parametrize("on", newest())
def test_a_site_that_replaces_what_an_application_ships(on: Installed, folder: Path, runs: Runs, tmp_path: Path) -> None:
    found = answered(on, runs.get(folder), tmp_path)
    assert not found, "\n".join(found)


def test_the_shop_has_fifty_routes() -> None:
    file = load("site.yaml", (SHOP / "site.yaml").read_bytes(), {})
    assert sum(len(site.routes) for site in file.spec.sites) == 50


@pytest.mark.parametrize("folder", [SHOP, *REAL], ids=lambda path: path.name)
def test_an_example_is_sound_as_it_stands(folder: Path) -> None:
    file = load("site.yaml", (folder / "site.yaml").read_bytes(), {})
    assert file.lines(list(file.findings)) == []


def test_there_are_ten_real_examples() -> None:
    assert len(REAL) >= 10
