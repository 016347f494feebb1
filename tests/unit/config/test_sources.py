"""The merge: which source wins, where each value came from, and every fault at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appserver.config.catalog import OPTIONS, Option, Value
from appserver.config.show import effective, toml_value
from appserver.config.sources import Loaded, from_environment, load
from appserver.config.values import spell
from appserver.errors import ConfigError

# What differs from the default and is right for options whose type alone does not say it.
OTHERS: dict[str, Value] = {
    "server.app": "main:other",
    "server.bind": (":81", "unix:b.sock"),
    "server.unix_mode": "0600",
    "server.proxy_protocol_from": ("10.0.0.0/8", "unix"),
    "server.certfile": ("a.pem",),
    "server.keyfile": ("a.key",),
    "server.keyfile_password": "env:PASSWORD",
    "server.root_path": "/root",
    "h2.stream_window": 70_000,
    "h2.connection_window": 2_000_000,
    "limit.head_size": 100_000,
    "websocket.allowed_origins": ("https://a.test", "same-origin"),
    "forwarded.trust": ("10.0.0.0/8", "*"),
}


def other(option: Option) -> Value:
    if option.key in OTHERS:
        return OTHERS[option.key]
    if option.is_list and option.choices:
        return option.choices[-1:]
    if option.choices:
        return next(choice for choice in option.choices if choice != option.default)
    if isinstance(option.default, bool):
        return not option.default
    return "other" if isinstance(option.default, str) else option.default + 1  # type: ignore[operator]  # a number


def value(loaded: Loaded, option: Option) -> object:
    return getattr(getattr(loaded.config, option.section), option.name)


def words(option: Option, wanted: Value) -> list[str]:
    if isinstance(wanted, bool):
        return [option.flag if wanted else option.flag.replace("--", "--no-", 1)]
    many = wanted if isinstance(wanted, tuple) else [spell(option, wanted)]
    return [word for item in many for word in (option.flag, item)]


def toml(path: Path, text: str) -> list[str]:
    path = path / "appserver.toml"
    path.write_text(text)
    return ["--config", str(path)]


MOUNT = {"server.root_path": "/mounted"}
# What an option needs beside it to be right; of the one under test its own source counts.
TLS = {"server.certfile": "a.pem", "server.ca_certs": "ca.pem", "server.cert_reqs": "required"}
NEEDS = {f"server.{name}": TLS for name in ("keyfile", "keyfile_password", "ca_certs", "cert_reqs", "crl_file", "ciphers")}
NEEDS["server.root_path_in_target"] = MOUNT


def beside(option: Option) -> dict[str, str]:
    """Return the variables that make the option right."""
    return {OPTIONS[key].env: text for key, text in NEEDS.get(option.key, {}).items() if key != option.key}


EVERY = pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
APP = {"APPSERVER_APP": "main:app"}


@EVERY
def test_by_default(option: Option) -> None:
    loaded = load(["--print-config"], {})

    assert value(loaded, option) == option.default
    assert loaded.origins[option.key] == "default"


@EVERY
def test_from_the_file(option: Option, tmp_path: Path) -> None:
    argv = toml(tmp_path, f"[{option.section}]\n{option.name} = {toml_value(other(option))}\n")

    loaded = load([*argv, "--print-config"], beside(option))

    assert value(loaded, option) == other(option)
    assert loaded.origins[option.key] == f"{argv[1]}:2:1 {option.toml}"


@EVERY
def test_from_the_environment_over_the_file(option: Option, tmp_path: Path) -> None:
    wanted = other(option)
    text = ", ".join(wanted) if isinstance(wanted, tuple) else spell(option, wanted)
    argv = toml(tmp_path, f"[{option.section}]\n{option.name} = {toml_value(option.default)}\n")

    loaded = load([*argv, "--print-config"], {**beside(option), option.env: text})

    assert value(loaded, option) == wanted
    assert loaded.origins[option.key] == f"{option.env} in the environment"


@EVERY
def test_from_the_command_line_over_the_environment(option: Option) -> None:
    wanted, default = other(option), option.default
    text = ",".join(default) if isinstance(default, tuple) else spell(option, default)

    loaded = load([*words(option, wanted), "--print-config"], {**beside(option), option.env: text})

    assert value(loaded, option) == wanted
    assert loaded.origins[option.key].endswith(" on the command line")


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    _, path = toml(tmp_path, "server.backlog = 7")

    assert load(["main:app"], {"APPSERVER_CONFIG": path}).config.server.backlog == 7


def test_no_file_is_read_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml(tmp_path, "not toml")
    monkeypatch.chdir(tmp_path)

    assert load(["main:app"], {}).action == "run"


def test_every_fault_of_every_source_is_told_at_once(tmp_path: Path) -> None:
    argv = toml(tmp_path, "[server]\nhttp2 = true\n[limit]\nhead_size = 300\n")

    with pytest.raises(ConfigError) as caught:
        load([*argv, "--bakclog", "5", "main:app"], {"APPSERVER_BNID": "x", "APPSERVER_UNIX_MODE": "9"})

    assert str(caught.value).splitlines() == [
        "--bakclog on the command line: no such option; did you mean --backlog?",
        "APPSERVER_BNID in the environment: no such option; did you mean APPSERVER_BIND?",
        f"{argv[1]}:2:1 [server] http2: no such option; did you mean [server] http1?",
        "APPSERVER_UNIX_MODE in the environment: '9' is not an octal mode such as 0660",
        "--limit-field-size by default: 16KiB is more than [limit] head_size, 300"
        f" ({argv[1]}:4:1 [limit] head_size)",
    ]


def test_a_wrong_value_is_told_even_if_another_source_wins(tmp_path: Path) -> None:
    argv = toml(tmp_path, "server.backlog = 0")

    with pytest.raises(ConfigError, match="0 is too small"):
        load([*argv, "main:app", "--backlog", "5"], {})


def test_no_rule_speaks_of_a_value_that_was_not_read() -> None:
    with pytest.raises(ConfigError) as caught:
        load(["main:app", "--h2-stream-window", "1x", "--h2-connection-window", "65535"], {})

    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("action", ["--check-config", "--no-factory"])
def test_an_application_is_needed_to_run_and_to_check(action: str) -> None:
    with pytest.raises(ConfigError, match="--app by default: no application given; write: appserver MODULE:APP"):
        load([action], {})


@pytest.mark.parametrize("action", ["--help", "--version", "--sample-config"])
def test_help_is_given_whatever_is_wrong(action: str) -> None:
    assert load([action, "--bogus"], {"APPSERVER_BOGUS": "1"}).action == action.strip("-").partition("-")[0]


@pytest.mark.parametrize(
    "variable",
    [
        "APPSERVER_SERVICE_HOST=10.0.0.1", "APPSERVER_SERVICE_PORT=80", "APPSERVER_SERVICE_PORT_HTTP=80",
        "APPSERVER_PORT=tcp://10.0.0.1:80", "APPSERVER_PORT_80_TCP=tcp://10.0.0.1:80",
        "APPSERVER_PORT_80_TCP_ADDR=10.0.0.1", "APPSERVER_BLUE_SERVICE_HOST=10.0.0.1",
        "APPSERVER_BLUE_PORT=tcp://10.0.0.1:80", "APPSERVER_BUILD=pure", "PATH=/bin", "APPSERVER=1",
    ],
)  # fmt: skip
def test_variables_of_kubernetes_and_of_the_build_are_not_options(variable: str) -> None:
    name, _, text = variable.partition("=")

    assert from_environment({name: text}).faults == []


def test_a_port_in_the_environment_is_a_mistake_and_not_a_service() -> None:
    assert from_environment({"APPSERVER_PORT": "80"}).faults != []


def test_an_empty_variable_is_an_empty_value() -> None:
    assert from_environment({"APPSERVER_FORWARDED_TRUST": ""}).values == {"forwarded.trust": ()}
    assert from_environment({"APPSERVER_BACKLOG": ""}).faults == [
        "APPSERVER_BACKLOG in the environment: '' is not a whole number"
    ]


# Listeners

TWO = """
[server]
bind = "127.0.0.1:8000"
http_protocols = ["h2"]
[[listener]]
bind = "127.0.0.1:8001"
http_protocols = "http/1.1"
"""


def test_a_health_port_beside_an_h2c_port(tmp_path: Path) -> None:
    config = load(toml(tmp_path, TWO), APP).config

    assert (config.server.bind, config.server.http_protocols) == (("127.0.0.1:8000",), ("h2",))
    (health,) = config.listeners
    assert (health.bind, health.http_protocols) == (("127.0.0.1:8001",), ("http/1.1",))


def test_a_listener_has_the_common_trust_and_nothing_else_of_the_default_one(tmp_path: Path) -> None:
    text = '[[listener]]\nbind = ":1"\n[[listener]]\nbind = ":2"\ntrust = []\n'

    config = load([*toml(tmp_path, text), "--bind", ":3", "--unix-mode", "0600", "--forwarded-trust", "10.0.0.1"], APP).config

    assert [table.trust for table in config.listeners] == [("10.0.0.1",), ()]
    assert [table.unix_mode for table in config.listeners] == ["0660", "0660"]


def test_a_listener_has_the_common_dialect_unless_it_says_another(tmp_path: Path) -> None:
    text = '[[listener]]\nbind = ":1"\n[[listener]]\nbind = ":2"\nforwarded_dialect = "x-forwarded"\n'

    config = load([*toml(tmp_path, text), "--forwarded-dialect", "rfc7239", "--forwarded-fields", "for,port"], APP).config

    assert [table.forwarded_dialect for table in config.listeners] == ["rfc7239", "x-forwarded"]


def test_the_default_listener_is_opened_only_if_it_has_an_address_or_is_alone(tmp_path: Path) -> None:
    table = toml(tmp_path, '[[listener]]\nbind = ":1"\n')

    assert load([], APP).config.server.bind == ("127.0.0.1:8000",)
    assert load(table, APP).config.server.bind == ()
    assert load([*table, "--bind", ":2"], APP).config.server.bind == (":2",)


def test_faults_of_a_listener_have_its_place(tmp_path: Path) -> None:
    argv = toml(tmp_path, '[[listener]]\nbind = ":1"\n\n[[listener]]\n  bind = ["here"]\n  unix_mode = "rw"\n')

    with pytest.raises(ConfigError) as caught:
        load(argv, APP)

    first, second = str(caught.value).splitlines()
    assert first.endswith("appserver.toml:5:3 [[listener]] bind: 'here' has no port; write here:8000")
    assert second.endswith("appserver.toml:6:3 [[listener]] unix_mode: 'rw' is not an octal mode such as 0660")


def test_listeners_are_printed_as_they_are_read(tmp_path: Path) -> None:
    first = load(toml(tmp_path, TWO + 'unix_owner = ":users"\n'), APP)

    again = load(toml(tmp_path, effective(first.config, first.origins)), {})

    assert again.config == first.config
    assert "[[listener]] unix_owner\n" in effective(first.config, first.origins)


def test_sockets_of_a_service_manager_are_the_default_address() -> None:
    passed = {**APP, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}

    assert load([], passed).config.server.bind == ("systemd",)
    assert load(["--bind", ":1"], passed).config.server.bind == (":1",)
    assert load([], {**passed, "LISTEN_PID": "1"}).config.server.bind == ("127.0.0.1:8000",)
