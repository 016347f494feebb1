"""Every text of a site stands in Envoy's tree as itself, or escaped where a value is a format string."""

from __future__ import annotations

import pytest
import yaml

from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from tests.support.trees import strings
from tests.unit.proxyconf.proxies.test_hostile import HOSTILE

SITE = """
targets: [{proxy: envoy, modules: [work_in_progress]}]
listeners: {plain: {address: ":8080"}, safe: {address: ":8443", tls: {certificates: [{cert: FILE, key: FILE}]}}}
upstreams: {app: {protocol: h2c, servers: ["127.0.0.1:8000"]}}
sites:
- hostnames: [shop.example]
  upstream: app
  headers: {request: {set: {X-A: VALUE}}, response: {set: {X-B: VALUE}, default: {X-C: VALUE}}}
  routes:
  - {file: /a, respond: {body: BODY}}
  - {file: /b, static: {file: FILE}}
  - {match: {path: /c, headers: {X-D: VALUE}}, redirect: {to: TARGET}}
  - {path: /d, upstream: app, maintenance: {file: FILE, except: [10.0.0.0/8]}}
  - {path: /e, upstream: app, errors: {pages: [{statuses: [502], file: FILE}], from: any}}
"""


def made(**values: str) -> Bundle:
    """Render the site with texts in it."""
    text = SITE
    for name in ("FILE", "VALUE", "BODY", "TARGET"):
        text = text.replace(name, yaml.safe_dump(values.get(name, "/x" if name in ("FILE", "TARGET") else "x"), default_style='"', width=10_000).strip())
    file = load("site.yaml", text.encode(), {})
    return render(proxy("envoy"), file.deployment, Target.of("envoy", file.spec))


def changed(name: str, text: str) -> set[str]:
    """Return the texts that are in the tree for `text` and not in the usual one."""
    bundle = made(**{name: text})
    assert not bundle.refused, bundle.findings
    usual = set(strings(yaml.safe_load(made().files["envoy.yaml"])))
    return set(strings(yaml.safe_load(bundle.files["envoy.yaml"]))) - usual


# `${HOME}` is the site file's own, and "*" is in every tree.
TEXTS = [text for text in HOSTILE if text not in ("${HOME}", "*")]
PRINTABLE = [text for text in TEXTS if text.strip() == text and all(" " <= char <= "~" for char in text)]


@pytest.mark.parametrize("text", PRINTABLE)
def test_a_field_is_escaped_for_the_formats(text: str) -> None:
    # A comparison is no format: it stands as it is.
    assert changed("VALUE", text) == {text, text.replace("%", "%%")}
    assert changed("TARGET", f"/{text}") == {f"/{text}".replace("%", "%%")}


@pytest.mark.parametrize("text", [text for text in TEXTS if all(char >= " " and char not in "\x7f\u2028" for char in text)])
def test_files_and_bodies_stand_as_they_are(text: str) -> None:
    assert changed("BODY", text) == {text}
    assert changed("FILE", f"/x{text}") - {"application/octet-stream"} == {f"/x{text}"}


@pytest.mark.parametrize("text", ["a\nb", "\x7f", "\ud800"])
def test_what_no_file_can_be_called_is_unquotable(text: str) -> None:
    assert proxy("envoy").unquotable(text)


def test_the_bytes_are_the_same_every_time() -> None:
    assert made().files == made().files
