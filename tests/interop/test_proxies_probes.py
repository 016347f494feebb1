"""Capabilities that a probe of `proxyconf verify` proves: the row says what the probe sees, on every installed version.

Denials are proved the same way: the probe is tried although the table says no, and has to fail.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxyconf.spec.read import load
from proxyconf.verbs.verify import chosen
from proxyconf.verify.outcome import Report, Verdict
from proxyconf.verify.probes.probe import Context
from proxyconf.verify.runner import until_served, verify
from proxyconf.verify.servers import Behind
from proxyconf.verify.site import prepared
from proxyconf.verify.subject import Feature
from tests.interop.hop import Installed, installed, proves
from tests.interop.verify_targets import Quiet

SITE = "sites: [{hostnames: [shop.test], upstream: 'h2c://app:8000', limits: {request_body: 1MiB}}]\n"


@contextmanager
def running_program(on: Installed) -> Iterator[None]:
    """Let verify find this version."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(on.program).parent}{os.pathsep}{os.environ['PATH']}")
        yield


def probed(on: Installed, probe: str, *features: Feature, site: str = SITE) -> tuple[Verdict, str]:
    """Try one probe on a rendered site; `features` are taken for granted, whatever the table says."""
    site = site if on.can("h2c_upstream") else site.replace("h2c:", "http1:")

    async def run(folder: Path) -> Report:
        made = prepared(load("site.yaml", site.encode(), {}), on.proxy, folder, Behind())
        subject = replace(made.subject, features=made.subject.features | set(features))
        async with made.stack as stack:
            return await verify(subject, chosen([probe]), Quiet(), stack)

    with running_program(on), tempfile.TemporaryDirectory(prefix="pv-", ignore_cleanup_errors=True) as folder:
        [result] = asyncio.run(run(Path(folder))).results
    return result.verdict, result.text


def holds(on: Installed, probe: str, site: str = SITE) -> None:
    """Assert that a probe passes."""
    verdict, text = probed(on, probe, site=site)
    assert verdict is Verdict.PASSED, text


@proves("control_characters_refused")
def test_control_characters_stay_outside(on: Installed) -> None:
    holds(on, "control-characters")


@proves("broken_responses")
def test_a_response_that_breaks_off_is_not_whole(on: Installed) -> None:
    holds(on, "broken-off")


@proves("http2_concurrency")
def test_many_requests_at_once_of_one_client(on: Installed) -> None:
    holds(on, "hop-parallel")


@proves("full_duplex")
def test_a_response_while_the_request_is_sent(on: Installed) -> None:
    holds(on, "streamed-request")


@proves("request_body_limit_streamed")
def test_the_longest_request_body_over_http2_of_unknown_length(on: Installed) -> None:
    holds(on, "body-limit-streamed")


@proves("request_trailers", "h2c_upstream")
def test_trailers_of_a_request_arrive(on: Installed) -> None:
    holds(on, "request-trailers")


@proves("websocket_from_h2")
def test_a_websocket_of_a_client_over_http2(on: Installed) -> None:
    holds(on, "websocket-http2")


@proves("request_body_limit")
def test_no_body_that_is_too_long_passes(on: Installed) -> None:
    async def run(folder: Path) -> list[int]:
        made = prepared(load("site.yaml", site.encode(), {}), on.proxy, folder, Behind())
        async with made.stack as stack:
            context, statuses = Context(made.subject, stack.control, stack), list[int]()
            await until_served(context)
            for _ in range(40):
                length = [("content-length", str(2**20 + 1))]
                statuses.append((await context.ask("h2", method="POST", fields=length, body=bytes(2**20 + 1))).status)
        return statuses

    site = SITE if on.can("h2c_upstream") else SITE.replace("h2c:", "http1:")
    with running_program(on), tempfile.TemporaryDirectory(prefix="pv-", ignore_cleanup_errors=True) as folder:
        assert set(asyncio.run(run(Path(folder)))) == {413}


# The run's own CA takes the place of this one.
TLS = """
upstreams: {app: {protocol: h2, servers: ["app.internal:8443"], tls: {ca: /etc/ssl/app-ca.pem}}}
sites: [{hostnames: [shop.test], upstream: app}]
"""


@proves("h2_upstream", "upstream_ca")
def test_the_hop_over_tls_with_the_certificate_checked(on: Installed) -> None:
    verdict, text = probed(on, "hop-tls", site=TLS)
    assert verdict is Verdict.PASSED, text
    assert "ALPN h2" in text


TWO = """
upstreams: {app: {servers: ["app1:8000", "app2:8000"], health_check: {path: /healthz}}}
sites: [{hostnames: [shop.test], upstream: app}]
"""


@proves("health_check_http", "h2c_upstream")
def test_a_server_that_fails_its_health_checks(on: Installed) -> None:
    holds(on, "health-check", site=TWO)


# By what a table's silence about a version is shown: the probe of a capability, and the feature that it needs.
PROBES = {
    "control_characters_refused": ("control-characters", Feature.CONTROL_CHARACTERS),
    "broken_responses": ("broken-off", Feature.BROKEN_RESPONSES),
    "request_body_limit_streamed": ("body-limit-streamed", Feature.BODY_LIMIT_STREAMED),
    "full_duplex": ("streamed-request", Feature.STREAMED_REQUEST),
    "request_trailers": ("request-trailers", Feature.REQUEST_TRAILERS),
    "websocket_from_h2": ("websocket-http2", Feature.WEBSOCKET_OVER_HTTP2),
}
DENIED = [(on, name) for on in installed() for name in PROBES if not on.can(name)]


@pytest.mark.parametrize(("on", "capability"), DENIED or [(None, "")], ids=str)
def test_what_a_table_denies_is_so(on: Installed | None, capability: str) -> None:
    if on is None:
        pytest.skip("no installed version of a proxy lacks one of these: python -m tools.proxies")
    probe, feature = PROBES[capability]
    verdict, text = probed(on, probe, feature)
    assert verdict is Verdict.FAILED, text
