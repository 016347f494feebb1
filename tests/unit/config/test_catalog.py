"""The catalog: every option once, and no two with one spelling."""

from __future__ import annotations

from collections import Counter

import pytest

from appserver.config.catalog import OPTIONS, SECTIONS, Option
from appserver.config.flags import ACTIONS, known_flags


def test_sections_come_in_the_order_of_config() -> None:
    assert list(SECTIONS) == ["server", "h2", "h1", "limit", "timeout", "websocket", "forwarded", "log", "lifespan"]


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_an_option_is_fully_described(option: Option) -> None:
    assert option.help.endswith(".")
    assert option.kind in {"str", "bool", "int", "float", "tuple[str, ...]"}
    assert (option.unit == "s") == (option.kind == "float")
    assert option.unit in {"", "s", "B"}
    if option.choices:
        assert set(option.default if isinstance(option.default, tuple) else [option.default]) <= set(option.choices)


def test_no_two_names_are_the_same_in_any_source() -> None:
    flags = [*known_flags(), *ACTIONS]
    names = [option.env for option in OPTIONS.values()]

    assert [flag for flag, count in Counter(flags).items() if count > 1 + (flag in ACTIONS)] == []
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_server_options_have_no_prefix() -> None:
    assert OPTIONS["server.bind"].flag == "--bind"
    assert OPTIONS["server.bind"].env == "APPSERVER_BIND"
    assert OPTIONS["server.bind"].toml == "[server] bind"


def test_other_options_are_prefixed_by_their_section() -> None:
    assert OPTIONS["limit.request_fields"].flag == "--limit-request-fields"
    assert OPTIONS["limit.request_fields"].env == "APPSERVER_LIMIT_REQUEST_FIELDS"
    assert OPTIONS["limit.request_fields"].toml == "[limit] request_fields"
