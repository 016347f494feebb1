"""Which question tells that a site is served."""

from __future__ import annotations

import pytest

from proxyconf.spec.read import load
from proxyconf.verbs.health import Health, of_site, of_url
from proxyconf.verify.edge.response import Response

LISTENERS = 'listeners: {web: {address: "127.0.0.1:8080"}, tls: {address: "[::]:8443", tls: {issuer: internal}}}\n'
CHECKED = 'upstreams: {app: {protocol: h2c, servers: ["127.0.0.1:9000"], health_check: {path: /up, expected_statuses: [204]}}}\n'


def asked(text: str) -> Health | None:
    return of_site(load("site.yaml", (LISTENERS + text).encode(), {}).deployment)


@pytest.mark.parametrize(
    ("text", "url", "statuses"),
    [
        ("sites: [{hostnames: [a.example], upstream: 'h2c://127.0.0.1:9000'}]", "https://a.example:8443/", set()),
        (CHECKED + "sites: [{hostnames: [a.example], upstream: app}]", "https://a.example:8443/up", {204}),
        (CHECKED + "sites: [{hostnames: ['*.a.example'], listeners: [web], upstream: app}]", "http://health.a.example:8080/up", {204}),
        (CHECKED + "sites: [{hostnames: any, upstream: app}]", "https://localhost:8443/up", {204}),
        (CHECKED + "sites: [{hostnames: [a.example, b.example], canonical: b.example, upstream: app}]", "https://b.example:8443/up", {204}),
        # What the edge does not lead to the upstream as it stands is not asked for.
        (CHECKED + "sites: [{hostnames: [a.example], routes: [{path: /x/, upstream: app}]}]", "https://a.example:8443/", set()),
        (CHECKED + "sites: [{hostnames: [a.example], allow: [10.0.0.0/8], upstream: app}]", "https://a.example:8443/", set()),
        (CHECKED + "sites: [{hostnames: [a.example], upstream: app, routes: [{file: /up, respond: {body: x}}]}]", "https://a.example:8443/", set()),
        (
            CHECKED + "sites: [{hostnames: [a.example], upstream: 'http://127.0.0.1:1', routes: [{path: /up, upstream: app}]}]",
            "https://a.example:8443/up", {204},
        ),
    ],
)  # fmt: skip
def test_of_a_site(text: str, url: str, statuses: set[int]) -> None:
    found = asked(text)
    assert found is not None
    assert (found.url, set(found.statuses)) == (url, statuses)
    assert found.edge.connect_to == "127.0.0.1"


def test_a_site_that_nobody_on_this_machine_can_ask() -> None:
    assert of_site(load("s", b"listeners: {web: {address: ':80', proxy_protocol: {accept: v2, from: [10.0.0.1]}}}\n"
                             b"sites: [{hostnames: [a.example], upstream: 'h2c://127.0.0.1:9000'}]", {}).deployment) is None  # fmt: skip


def test_of_a_url() -> None:
    found = of_url("https://a.example:1/up?x=1")
    assert (found.url, found.edge.verify, found.edge.connect_to) == ("https://a.example:1/up?x=1", True, "a.example")


@pytest.mark.parametrize(("status", "whole", "good"), [(200, True, True), (404, True, True), (421, True, False), (502, True, False), (200, False, False)])
def test_a_good_answer(status: int, whole: bool, good: bool) -> None:
    assert of_url("http://a.example/").good(Response("HTTP/1.1", status=status, whole=whole)) is good
