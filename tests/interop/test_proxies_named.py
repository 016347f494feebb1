"""The tables and the proofs agree: a row that names a generic test is a capability that the test proves."""

from __future__ import annotations

from importlib import import_module

from proxyconf.facts.table import tables
from tests.interop.hop import PROVED

MODULES = (
    "test_proxies", "test_proxies_edge", "test_proxies_policies", "test_proxies_probes", "test_proxies_routes", "test_proxies_tcp",
    "test_proxies_upstreams", "test_proxies_websocket",
)  # fmt: skip


def test_a_row_that_names_a_generic_test_is_proved_by_it() -> None:
    for module in MODULES:
        import_module(f"tests.interop.{module}")
    wrong = [
        f"{table.proxy} {row.capability}: {row.proof}"
        for table in tables().values()
        for row in table.rows.values()
        if row.since is not None and row.proof.startswith("tests/interop/test_proxies")
        if row.capability not in PROVED.get(row.proof.partition("::")[2], ())
    ]
    assert wrong == []
