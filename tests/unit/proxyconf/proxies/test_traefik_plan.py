"""Every text of a site stands in Traefik's files as itself, or escaped for whoever reads it once more."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import proxy
from proxyconf.proxies.traefik.rules import longer_than
from proxyconf.spec.read import load
from proxyconf.syntax.traefik import go_string, replacement
from tests.support.trees import strings
from tests.unit.proxyconf.proxies.test_hostile import HOSTILE

SITE = """
targets: [{proxy: traefik}]
listeners: {plain: {address: ":8080"}, safe: {address: ":8443", tls: {certificates: [{cert: FILE, key: FILE}]}}}
upstreams: {app: {protocol: h2c, servers: ["127.0.0.1:8000"]}}
sites:
- hostnames: [shop.example]
  upstream: app
  headers: {request: {set: {X-A: VALUE}}, response: {set: {X-B: VALUE}}}
  routes:
  - {match: {path: /c, headers: {X-D: VALUE}, query: {q: VALUE}}, redirect: {to: TARGET}}
  - {path: /d, upstream: app, auth: {basic: {users_file: FILE, realm: VALUE}}}
"""
MORE = '{{ env "HOME" }}', "{{{x}}}", "{{`{{`}}"
TEXTS = [text for text in (*HOSTILE, *MORE) if text not in ("${HOME}", "*")]
PRINTABLE = [text for text in TEXTS if text.strip() == text and all(" " <= char <= "~" for char in text)]
FILES = [text for text in TEXTS if all(char >= " " and char not in "\x7f\u2028" for char in text)]


def made(**values: str) -> Bundle:
    """Render the site with texts in it."""
    text = SITE
    for name in ("FILE", "VALUE", "TARGET"):
        usual = "/x" if name in ("FILE", "TARGET") else "x"
        text = text.replace(name, yaml.safe_dump(values.get(name, usual), default_style='"', width=10_000).strip())
    file = load("site.yaml", text.encode(), {})
    return render(proxy("traefik"), file.deployment, Target.of("traefik", file.spec))


def changed(name: str, text: str) -> set[str]:
    """Return the texts that are in the files for `text` and not in the usual ones."""
    bundle = made(**{name: text})
    assert not bundle.refused, bundle.findings
    assert not any("{{" in file for file in bundle.files.values())
    return texts_of(bundle) - usual()


def texts_of(bundle: Bundle) -> set[str]:
    """Return every text of the files."""
    return set(strings([yaml.safe_load(file) for file in bundle.files.values()]))


@cache
def usual() -> set[str]:
    """Return the texts of the site with harmless texts in it."""
    return texts_of(made())


@pytest.mark.parametrize("text", PRINTABLE)
def test_a_value_is_written_for_its_readers(text: str) -> None:
    compared = f'Header("X-D", {go_string(text)}) && Query("q", {go_string(text)})'
    written = changed("VALUE", text)
    rules = {one for one in written if one.startswith("Host(")}
    assert written - rules == {text}
    assert all(rule.endswith(compared) for rule in rules)
    assert changed("TARGET", f"/{text}") == {replacement(f"/{text}")}


@pytest.mark.parametrize("text", FILES)
def test_a_file_stands_as_it_is(text: str) -> None:
    assert changed("FILE", f"/x{text}") == {f"/x{text}"}


@pytest.mark.parametrize("text", ["a\nb", "\x7f", "\ud800"])
def test_what_no_file_can_be_called_is_unquotable(text: str) -> None:
    assert proxy("traefik").unquotable(text)


def test_the_bytes_are_the_same_every_time() -> None:
    assert made().files == made().files


@given(st.integers(1, 10**12), st.integers(0, 10**13))
@settings(deadline=None)
def test_a_longer_body_is_told_by_its_length(limit: int, length: int) -> None:
    pattern = ast.literal_eval(longer_than(limit).partition(", ")[2].removesuffix(")"))
    for said in (length, limit, limit + 1, limit - 1):
        assert bool(re.match(pattern, str(said))) == (said > limit)
        assert bool(re.match(pattern, f"00{said}")) == (said > limit)
