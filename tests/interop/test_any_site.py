"""What is rendered of any site is accepted by the proxy's own checker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from proxyconf.document.findings import Level, SiteError
from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.programs.trial import try_files
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from tests.interop.hop import Installed, certificate, free_port, proves
from tests.support.sites import TEXTS, passing, sites, without


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the certificate that the sites name, and their pages: some checkers read them."""
    made = tmp_path_factory.mktemp("any")
    certificate(made, "shop.example.org")
    (made / "srv").mkdir()
    for text in TEXTS:
        for name in (text, f"{text}.html"):
            # Some are named as users' files, which Traefik reads at its start.
            (made / "srv" / name).write_text("user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
    return made


def tried(on: Installed, files: Mapping[str, str]) -> None:
    """Start a proxy that has no checker with files, and ask it."""
    trial = proxy(on.proxy).trial(files, free_port())
    assert trial is not None, f"{on.proxy} has no checker"
    try_files((on.program, *proxy(on.proxy).program.run[1:]), trial.files, trial.url, trial.faults)


def possible(data: dict[str, Any], on: Installed, folder: Path) -> Bundle | None:
    """Return what is rendered of a site without all that is refused; None if nothing is left."""
    for _ in range(8):
        raw = json.dumps(data, ensure_ascii=False).replace("${", "$${").replace("/srv/", f"{folder}/srv/").encode()
        try:
            file = load("s.yaml", raw, {})
        except SiteError as error:
            wrong = list(error.findings)
        else:
            made = render(proxy(on.proxy), file.deployment, replace(Target.of(on.proxy, file.spec), version=on.version))
            if not made.refused:
                return made
            wrong = [finding for finding in made.findings if finding.level in (Level.ERROR, Level.REFUSED)]
        without(data, [finding.path for finding in wrong])
    return None


@proves("tls_files")
def test_the_checker_accepts_any_site(on: Installed, folder: Path) -> None:
    accepts(on, folder, sites(f"{folder}/cert.pem", f"{folder}/key.pem"))


@proves("tcp_listener")
def test_the_checker_accepts_any_listener_that_passes_bytes_on(on: Installed, folder: Path) -> None:
    accepts(on, folder, passing(f"{folder}/cert.pem", f"{folder}/cert.pem.key"))


def accepts(on: Installed, folder: Path, made_up: SearchStrategy[dict[str, Any]]) -> None:
    has_checker = bool(proxy(on.proxy).program.check)

    @given(made_up)
    # To shrink by starting real programs takes minutes.
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, phases=[Phase.generate])
    def accepted(data: dict[str, Any]) -> None:
        made = possible(data, on, folder)
        if made is None:
            return
        files = made.stamped("0" * 64).files
        if not has_checker:
            tried(on, files)
            return
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        command = on.command(proxy(on.proxy).program.check, folder)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    accepted()
