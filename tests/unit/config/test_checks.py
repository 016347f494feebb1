"""Rules between options: each forbids what its name says, and the defaults break none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appserver.config.checks import RULES, Finding, findings, missing_application
from appserver.config.options import Config, ListenerTable

TRUST = Config().forwarded.trust


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
        ("malformed_owner", "server", {"unix_owner": "a b:c"}, "is not USER, USER:GROUP or :GROUP"),
        ("no_protocol", "server", {"http_protocols": ()}, "no HTTP version is left"),
        ("no_protocol", "server", {"http_protocols": ("http/1.1",), "http1": False}, "no HTTP version is left"),
        ("certificate_without_key", "server", {"certfile": ("a", "b"), "keyfile": ("a",)}, "1 keys for 2 certificates"),
        ("tls_option_without_certificate", "server", {"ciphers": "ALL"}, "without certfile there is no TLS"),
        ("tls_option_without_certificate", "server", {"cert_reqs": "optional"}, "without certfile there is no TLS"),
        (
            "client_certificates_without_authority", "server", {"certfile": ("a",), "cert_reqs": "required"},
            "no certificate could be checked",
        ),
        (
            "client_certificates_without_authority", "server", {"certfile": ("a",), "crl_file": "b"},
            "no client is asked for a certificate",
        ),
        ("malformed_password_source", "server", {"certfile": ("a",), "keyfile_password": "secret"}, "neither file:PATH"),
        ("malformed_root_path", "server", {"root_path": "api"}, "must start with '/'"),
        ("malformed_root_path", "server", {"root_path": "/api/"}, "not end with it"),
        ("root_path_in_target_without_it", "server", {"root_path_in_target": True}, "needs the path"),
        ("malformed_server_header", "server", {"server_header": "caf\u00e9"}, "visible ASCII"),
        ("connection_window_below_stream_window", "h2", {"stream_window": 2 << 20}, "2MiB is more than [h2] conn"),
        ("field_above_head", "limit", {"head_size": 512}, "16KiB is more than [limit] head_size, 512"),
        ("malformed_trust", "forwarded", {"trust": ("10.0.0.1/8",)}, "the network is 10.0.0.0/8"),
        ("field_without_parameter", "forwarded", {"dialect": "rfc7239", "fields": ("for", "port")}, "host says the port"),
        ("field_without_parameter", "forwarded", {"dialect": "rfc7239", "fields": ("prefix",)}, "no parameter for 'prefix'"),
        ("malformed_origin", "websocket", {"allowed_origins": ("https://a.test/",)}, "'https://a.test/' is no origin"),
        ("malformed_origin", "websocket", {"allowed_origins": ("a.test",)}, "same-origin or *"),
        ("upgrade_without_cleartext", "server", {"h2c_upgrade": True, "certfile": ("a",)}, "ALPN choose the version"),
        ("upgrade_without_cleartext", "server", {"h2c_upgrade": True, "http_protocols": ("h2",)}, "needs both HTTP versions"),
        ("upgrade_without_cleartext", "server", {"h2c_upgrade": True, "http1": False}, "needs both HTTP versions"),
    ],
)
def test_a_rule_finds_what_it_forbids(rule: str, section: str, values: dict[str, Any], problem: str) -> None:
    (finding,) = findings(config(section, **values))

    assert problem in finding.problem
    assert finding.option.startswith(section)
    assert list({item.__name__: item for item in RULES}[rule](config(section, **values))) == [finding]


def test_every_rule_has_a_case_above() -> None:
    (mark,) = test_a_rule_finds_what_it_forbids.pytestmark
    (tables,) = test_a_rule_finds_it_in_a_listener_too.pytestmark

    assert {case[0] for case in [*mark.args[1], *tables.args[1]]} == {rule.__name__ for rule in RULES}


@pytest.mark.parametrize(
    ("rule", "server", "tables", "option", "problem"),
    [
        ("no_address", {}, [{"bind": ()}], "listener.0.bind", "no address"),
        ("malformed_address", {}, [{}, {"bind": ("here",)}], "listener.1.bind", "'here' has no port"),
        ("duplicate_address", {"bind": (":1",)}, [{"bind": (":1",)}], "listener.0.bind", "same address as ':1'"),
        ("malformed_mode", {}, [{"unix_mode": "rw"}], "listener.0.unix_mode", "octal mode"),
        ("malformed_owner", {}, [{"unix_owner": ":"}], "listener.0.unix_owner", "is not USER"),
        ("no_protocol", {}, [{"http_protocols": ()}], "listener.0.http_protocols", "no HTTP version"),
        ("malformed_trust", {}, [{"trust": ("me",)}], "listener.0.trust", "'me' is no address"),
        ("malformed_trust", {}, [{"proxy_protocol_from": ("me",)}], "listener.0.proxy_protocol_from", "'me' is no address"),
        (
            "nobody_sends_the_header", {}, [{"proxy_protocol": "v2", "proxy_protocol_from": ()}],
            "listener.0.proxy_protocol_from", "nobody could connect",
        ),
        ("option_without_listener", {"bind": (), "unix_mode": "0600"}, [{}], "server.unix_mode", "is not opened"),
        ("option_without_listener", {"bind": (), "http1": False}, [{}], "server.http1", "is not opened"),
    ],
)
def test_a_rule_finds_it_in_a_listener_too(
    rule: str, server: dict[str, Any], tables: list[dict[str, Any]], option: str, problem: str
) -> None:
    listeners = [ListenerTable(**{"bind": (f":8{index}",), "trust": TRUST, **table}) for index, table in enumerate(tables)]

    (finding,) = findings(replace(config("server", **server), listeners=tuple(listeners)))

    assert (finding.option, problem in finding.problem) == (option, True)
    assert list({item.__name__: item for item in RULES}[rule](replace(config("server", **server), listeners=tuple(listeners))))


def test_free_ports_are_never_duplicates() -> None:
    assert findings(config("server", bind=("127.0.0.1:0", "127.0.0.1:0"))) == []


def test_a_finding_names_the_option_it_clashes_with() -> None:
    (finding,) = findings(config("h2", stream_window=2 << 20))

    assert (finding.option, finding.other) == ("h2.stream_window", "h2.connection_window")
