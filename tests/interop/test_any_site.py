"""What is rendered of any site is accepted by the proxy's own checker."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from proxyconf.document.findings import SiteError
from proxyconf.facts.target import Target
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from tests.interop.hop import Installed, certificate, proves
from tests.support.sites import sites


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the certificate that the sites name."""
    made = tmp_path_factory.mktemp("any")
    certificate(made, "shop.example.org")
    return made


def with_pages(data: Any, folder: Path) -> Any:
    """Put real files where a site names pages; some proxies read them when they start."""
    if isinstance(data, dict):
        return {key: with_pages(value, folder) for key, value in data.items()}
    if isinstance(data, list):
        return [with_pages(value, folder) for value in data]
    if not isinstance(data, str) or not (data.startswith("/srv/") and data.endswith(".html")):
        return data
    page = Path(f"{folder}{data}")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<h1>page</h1>")
    return str(page)


@proves("tls_files")
def test_the_checker_accepts_any_site(on: Installed, folder: Path) -> None:
    if not proxy(on.proxy).program.check:
        pytest.skip(f"{on.proxy} has no checker")

    @given(sites(f"{folder}/cert.pem", f"{folder}/key.pem"))
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def accepted(data: dict[str, Any]) -> None:
        raw = json.dumps(with_pages(data, folder), ensure_ascii=False).replace("${", "$${").encode()
        try:
            file = load("s.yaml", raw, {})
        except SiteError:
            return
        made = render(proxy(on.proxy), file.deployment, replace(Target.of(on.proxy, file.spec), version=on.version))
        if made.refused:
            return
        for name, text in made.stamped("0" * 64).files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        command = on.command(proxy(on.proxy).program.check, folder)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    accepted()
