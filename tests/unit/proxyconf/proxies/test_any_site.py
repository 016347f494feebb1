"""Any site that the spec allows is rendered for every proxy, or refused with its place: never an exception."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings

from proxyconf.document.findings import SiteError
from proxyconf.proxies.registry import names
from proxyconf.spec.read import load
from proxyconf.verbs.site import bundle
from tests.support.sites import passing, sites


@given(sites() | passing())
@settings(max_examples=60, deadline=None)
def test_any_site_is_rendered_or_refused_with_its_place(data: dict[str, Any]) -> None:
    raw = json.dumps(data, ensure_ascii=False).replace("${", "$${").encode()
    try:
        file = load("s.yaml", raw, {})
    except SiteError:
        return
    for name in names():
        made = bundle(name, file)
        assert bool(made.files) != made.refused
        assert bundle(name, file) == made
        for finding in made.findings:
            assert finding.message
            assert file.document.find(finding) >= (1, 1)
