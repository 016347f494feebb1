"""Every probe is named once, says what it expects and what it needs; every attack carries its second request."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from proxyconf.verify.edge.link import Edge
from proxyconf.verify.outside import from_outside
from proxyconf.verify.probes.attacks import HTTP1, HTTP2, Http1Attack, Http2Attack
from proxyconf.verify.probes.catalogue import PROBES
from proxyconf.verify.probes.probe import Profile
from proxyconf.verify.runner import OF_THE_SERVER
from proxyconf.verify.subject import MISSING, Feature, Subject

SECOND = b"GET /second HTTP/1.1\r\nhost: a\r\n\r\n"


def test_ids_are_unique_and_fit_into_a_command() -> None:
    names = Counter(probe.id for probe in PROBES)
    assert [name for name, count in names.items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z][a-z0-9-]+", name) for name in names)


def test_titles_are_unique_and_every_probe_says_what_it_expects() -> None:
    assert len({probe.title for probe in PROBES}) == len(PROBES)
    assert all(probe.expects and probe.needs for probe in PROBES)


def test_every_feature_is_needed_by_a_probe_and_its_absence_has_words() -> None:
    judged_within = {Feature.RAW_ORIGIN, Feature.MULTIPLEXING}
    assert {feature for probe in PROBES for feature in probe.needs} | judged_within == set(Feature)
    assert set(MISSING) == set(Feature)


def test_what_the_server_must_be_able_to_do_is_no_feature_of_the_edge() -> None:
    assert not {feature for _, feature in OF_THE_SERVER} & {Feature.TLS, Feature.HTTP1, Feature.HTTP2}


def test_core_probes_need_nothing_that_a_stack_may_lack() -> None:
    core = {probe.id for probe in PROBES if probe.profile is Profile.CORE}
    assert {"edge-http2", "hop-protocol", "client-address", "spoofing", "smuggling-http1", "host"} <= core
    assert not {"early-hints", "trailers", "websocket", "reload", "body-limit"} & core


def test_some_probes_need_no_origin() -> None:
    assert {probe.id for probe in PROBES if from_outside(probe)} == {
        "edge-http2", "edge-http1", "upgrade-h2c", "framing", "malformed",
    }  # fmt: skip


def test_a_missing_feature_is_told_in_the_words_of_who_knows_best() -> None:
    edge = Edge("a.test", 443)
    plain = Subject("x", "1", edge, frozenset({Feature.TLS}))
    knowing = Subject("x", "1", edge, frozenset(), {Feature.HTTP2: "x 1 cannot: http2 edge"})
    assert plain.lacks(frozenset({Feature.TLS})) == ""
    assert plain.lacks(frozenset({Feature.TLS, Feature.HTTP2})) == "the edge does not speak HTTP/2"
    assert knowing.lacks(frozenset({Feature.TLS, Feature.HTTP2})) == "the edge is cleartext; x 1 cannot: http2 edge"


@pytest.mark.parametrize("attack", HTTP1, ids=lambda attack: attack.name)
def test_an_http1_attack_carries_the_second_request(attack: Http1Attack) -> None:
    assert attack.lines(SECOND)
    assert SECOND in attack.body(SECOND)


@pytest.mark.parametrize("attack", HTTP2, ids=lambda attack: attack.name)
def test_an_http2_attack_adds_fields(attack: Http2Attack) -> None:
    added = attack.fields("probe-id: second")
    assert added
    assert attack.body is None or SECOND in attack.body(SECOND)


def test_attacks_have_names_of_their_own() -> None:
    for names in ([attack.name for attack in HTTP1], [attack.name for attack in HTTP2]):
        assert len(set(names)) == len(names)
