"""Reading a site: hypothesis mutates a good one; no mutation is a traceback. Goldens hold the messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyconf.document.findings import SiteError
from proxyconf.proxies.registry import names
from proxyconf.spec.read import SiteFile, load
from proxyconf.spec.words import known_keys
from proxyconf.verbs.site import bundle

GOOD = (Path(__file__).parents[1] / "proxies/golden/caddy/tls_files.txt").read_text().partition("----------")[0]
VARIABLES = {"CERTS": "/c"}


def test_the_shorthand_is_one_line() -> None:
    deployment = load("s", b'sites: [{hostnames: [x.example], upstream: "h2c://app:8000"}]', {}).deployment
    [upstream] = deployment.upstreams
    assert [str(server.address) for server in upstream.options.servers] == ["app:8000"]


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ((), {"sites", "upstreams"}), (("sites", 3), {"hostnames", "limits"}), (("sites", 0, "limits"), {"request_body"}),
        (("upstreams", "any", "servers", 1), {"address"}), (("listeners", "https", "tls"), {"certificates"}),
    ],
)  # fmt: skip
def test_the_keys_of_every_path_are_known(path: tuple[str | int, ...], keys: set[str]) -> None:
    assert keys <= set(known_keys(path))


@pytest.mark.parametrize("answer", ["", ", static: {by: appserver}", ", static: {root: /srv, fallback: upstream}"])
def test_a_route_that_nothing_answers(answer: str) -> None:
    with pytest.raises(SiteError, match=r"s:1:43: PC207 nothing answers this route; add upstream: NAME"):
        load("s", f"sites: [{{hostnames: [x.example], routes: [{{path: /a{answer}}}]}}]".encode(), {})


def test_a_path_that_leads_nowhere_has_no_keys() -> None:
    assert known_keys(("sites", 0, "hostnames", 0)) == known_keys(("nothing", "here")) == ()


def outcome(text: str) -> None:
    """Render a text in every way; anything but `SiteError` is a bug."""
    try:
        file = load("s.yaml", text.encode("utf-8", "surrogatepass"), VARIABLES)
    except SiteError as error:
        lines = error.lines
    else:
        lines = rendered(file)
    assert all(line.isprintable() for line in lines)


def rendered(file: SiteFile) -> tuple[str, ...]:
    """Render for every target and return what is said."""
    said: list[str] = []
    for target in (*names(), "appserver"):
        made = bundle(target, file)
        assert made.files or made.refused
        for finding in made.findings:
            assert file.document.find(finding) >= (1, 1)
            said.append(finding.message)
        for printed in made.files.values():
            printed.encode()
    return tuple(said)


@given(st.data())
@settings(deadline=None)
def test_no_mutation_of_a_site_is_a_traceback(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(start + 12, len(GOOD))))
    piece = data.draw(
        st.sampled_from(
            ["", " ", "\n", ":", "- ", "[", "]", "{", "}", "~", "1", "x", "'", '"', "&a ", "*a", "${CERTS}"]
        )
    )
    outcome(GOOD[:start] + piece + GOOD[end:])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["h2c://a:1", "30s", "1MiB", "unix:/a", "app", "caddy", "::1", "1.2.3.4:5", "shop.example"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6,
)  # fmt: skip
KEYS = [
    "version", "targets", "appserver", "listeners", "trust", "upstreams", "sites", "hostnames", "upstream", "servers",
    "limits", "timeouts", "proxy", "app", "address", "https", "tls", "bind", "trusted_proxies",
]  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(KEYS), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4), max_size=6
    )
)
@settings(max_examples=200, deadline=None)
def test_no_data_is_a_traceback(data: dict[str, object]) -> None:
    outcome(json.dumps(data, ensure_ascii=False))
