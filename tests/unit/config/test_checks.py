"""Rules between options: each forbids what its name says, and the defaults break none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appserver.config.checks import RULES, Finding, findings, missing_application
from appserver.config.options import Config


def config(section: str, **values: Any) -> Config:
    blank = Config()
    return replace(blank, **{section: replace(getattr(blank, section), **values)})


def test_the_defaults_break_no_rule() -> None:
    assert findings(Config()) == []


def test_only_the_application_is_missing_from_the_defaults() -> None:
    assert list(missing_application(Config())) == [
        Finding("server.app", "no application given; write: appserver MODULE:APP")
    ]


@pytest.mark.parametrize(
    ("rule", "section", "values", "problem"),
    [
        ("malformed_application", "server", {"app": "main.py"}, "names a file"),
        ("no_address", "server", {"bind": ()}, "no address to listen on"),
        ("malformed_address", "server", {"bind": (":1", "nowhere")}, "'nowhere' has no port"),
        ("duplicate_address", "server", {"bind": ("[::1]:80", "[0::1]:80")}, "is the same address as '[::1]:80'"),
        ("malformed_mode", "server", {"unix_mode": "0888"}, "octal mode"),
        ("malformed_root_path", "server", {"root_path": "api"}, "must start with '/'"),
        ("malformed_root_path", "server", {"root_path": "/api/"}, "not end with it"),
        ("malformed_server_header", "server", {"server_header": "caf\u00e9"}, "visible ASCII"),
        ("connection_window_below_stream_window", "h2", {"stream_window": 2 << 20}, "2MiB is more than [h2] conn"),
        ("field_above_head", "limit", {"head_size": 512}, "16KiB is more than [limit] head_size, 512"),
        ("malformed_trust", "forwarded", {"trust": ("10.0.0.1/8",)}, "the network is 10.0.0.0/8"),
    ],
)
def test_a_rule_finds_what_it_forbids(rule: str, section: str, values: dict[str, Any], problem: str) -> None:
    (finding,) = findings(config(section, **values))

    assert problem in finding.problem
    assert finding.option.startswith(section)
    assert list({item.__name__: item for item in RULES}[rule](config(section, **values))) == [finding]


def test_every_rule_has_a_case_above() -> None:
    (mark,) = test_a_rule_finds_what_it_forbids.pytestmark

    assert {case[0] for case in mark.args[1]} == {rule.__name__ for rule in RULES}


def test_free_ports_are_never_duplicates() -> None:
    assert findings(config("server", bind=("127.0.0.1:0", "127.0.0.1:0"))) == []


def test_a_finding_names_the_option_it_clashes_with() -> None:
    (finding,) = findings(config("h2", stream_window=2 << 20))

    assert (finding.option, finding.other) == ("h2.stream_window", "h2.connection_window")
