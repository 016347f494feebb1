"""Where options come from: command line over `APPSERVER_*` environment over TOML file over default.

Owns the merge, the origin of each value and the report of every fault at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appserver.config.catalog import ENV_PREFIX, LISTENER_OPTIONS, OPTIONS, SECTIONS, Value
from appserver.config.checks import Finding, findings, missing_application
from appserver.config.flags import CONFIG_FLAG, WHERE, from_command_line
from appserver.config.layer import Layer, nearest, plain
from appserver.config.options import Config, ListenerTable
from appserver.errors import ConfigError

__all__ = ["DEFAULT", "Loaded", "from_environment", "load"]

DEFAULT = "default"
CONFIG_ENV = "APPSERVER_CONFIG"
NOT_OPTIONS = {CONFIG_ENV, "APPSERVER_BUILD"}  # the second is setup.py's

# Kubernetes and Docker links announce a service named "appserver" by variables of these shapes.
_SERVICE_LINK = re.compile(
    r"APPSERVER_(?:[A-Z0-9_]+_)?"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_PROTO|_PORT|_ADDR)?)"
)
_SERVICE_URL = re.compile(r"APPSERVER_(?:[A-Z0-9_]+_)?PORT=[a-z]+://.*")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, the origin of each value by key, and what the user asked for."""

    config: Config = field(default_factory=Config)
    origins: dict[str, str] = field(default_factory=dict)
    action: str = "run"


def load(argv: Sequence[str], environ: Mapping[str, str]) -> Loaded:
    """Read all sources; raise one ConfigError with a line for each fault."""
    line, action, files = from_command_line(argv)
    if action in {"help", "version", "sample"}:
        return Loaded(action=action)
    layers = [_file_layer(files, environ), from_environment(environ), line]
    faults = [fault for layer in reversed(layers) for fault in layer.faults]
    values: dict[str, Value] = {}
    origins = dict.fromkeys(OPTIONS, DEFAULT)
    for layer in layers:
        values |= layer.values
        origins |= layer.origins
    tables = [table for layer in layers for table in layer.listeners]
    if "server.bind" not in values:
        _bind_by_default(values, origins, bool(tables), environ)
    config = _build(values, tables)
    broken = {key for layer in layers for key in layer.broken}
    for index, table in enumerate(tables):
        origins |= _table_origins(index, table)
        broken |= {_table_key(index, key) for key in table.broken}
    found = [item for item in findings(config) if broken.isdisjoint((item.option, item.other))]
    if action != "print" and not line.faults:  # else the application may be what was not understood
        found += missing_application(config)
    faults += [_sentence(finding, origins) for finding in found]
    if faults:
        raise ConfigError("\n".join(faults))
    return Loaded(config, origins, action)


def from_environment(environ: Mapping[str, str]) -> Layer:
    """Read the `APPSERVER_*` variables."""
    layer = Layer()
    known = {option.env: option for option in OPTIONS.values()}
    for name, text in environ.items():
        if not name.startswith(ENV_PREFIX) or name in NOT_OPTIONS or _is_service_link(name, text):
            continue
        origin = f"{plain(name)} in the environment"
        option = known.get(name)
        if option is None:
            layer.refuse(origin, nearest(name, [*known, CONFIG_ENV]))
        elif option.is_list:
            layer.read_texts(option, [item.strip() for item in text.split(",")], origin)
        else:
            layer.read_text(option, text, origin)
    return layer


def _is_service_link(name: str, text: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name) or _SERVICE_URL.fullmatch(f"{name}={text}"))


def _file_layer(files: list[str], environ: Mapping[str, str]) -> Layer:
    if files:
        path, origin = files[0], f"{CONFIG_FLAG} {WHERE}"
    elif CONFIG_ENV in environ:
        path, origin = environ[CONFIG_ENV], f"{CONFIG_ENV} in the environment"
    else:
        return Layer()
    from appserver.config.file import from_file  # start-up: tomllib is needed only where a file is read

    return from_file(path, origin)


def _bind_by_default(
    values: dict[str, Value], origins: dict[str, str], has_tables: bool, environ: Mapping[str, str]
) -> None:
    """Say where the default listener listens if nobody gave an address."""
    if has_tables:
        values["server.bind"] = ()
        origins["server.bind"] = "by default, where the file has a [[listener]]"
    elif environ.get("LISTEN_FDS", "0") != "0" and environ.get("LISTEN_PID") == str(os.getpid()):
        values["server.bind"] = ("systemd",)
        origins["server.bind"] = "LISTEN_FDS in the environment"


def _table_key(index: int, key: str) -> str:
    section, _, name = key.partition(".")
    return f"{section}.{index}.{name}"


def _table_origins(index: int, table: Layer) -> dict[str, str]:
    default = {option.key: f"{table.where} {option.name} by default" for option in LISTENER_OPTIONS.values()}
    return {_table_key(index, key): origin for key, origin in (default | table.origins).items()}


def _build(values: dict[str, Value], tables: Sequence[Layer] = ()) -> Config:
    built: dict[str, Any] = {}
    for section, owner in SECTIONS.items():
        prefix = section + "."
        own = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
        built[section] = owner(**own)
    forwarded = built["forwarded"]
    inherited: dict[str, Any] = {"trust": forwarded.trust, "forwarded_dialect": forwarded.dialect}
    listeners = [ListenerTable(**{**inherited, "where": table.where, **_unprefixed(table.values)}) for table in tables]
    return Config(**built, listeners=tuple(listeners))


def _unprefixed(values: Mapping[str, Value]) -> dict[str, Any]:
    return {key.partition(".")[2]: value for key, value in values.items()}


def _sentence(finding: Finding, origins: Mapping[str, str]) -> str:
    clash = f" ({_origin(finding.other, origins)})" if finding.other else ""
    return f"{_origin(finding.option, origins)}: {finding.problem}{clash}"


def _origin(key: str, origins: Mapping[str, str]) -> str:
    origin = origins[key]
    return f"{OPTIONS[key].flag} by default" if origin == DEFAULT else origin
