"""Our own server's end: `appserver.toml`, checked by the server's own configuration code."""

from __future__ import annotations

import json
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from appserver.config import sources
from appserver.config.options import Config
from appserver.errors import ConfigError
from proxyconf.backend.facts import Facts, PassedBind
from proxyconf.document.findings import Finding, Rule
from proxyconf.output.bundle import Bundle
from proxyconf.spec.listeners import Certificate

__all__ = ["FILE", "problems", "render"]

FILE = "appserver.toml"

Values = dict[str, Any]
"""Options by section; `listener` is a list of tables."""


def render(found: Facts) -> Bundle:
    """Return the TOML for the app server of a site, or the findings that keep it from being written."""
    values = _values(found)
    text = _toml(values)
    if tomllib.loads(text) != values:
        raise AssertionError("the TOML printer wrote something else than it was given")
    wrong = problems(text)
    if wrong:
        message = f"the app server would refuse this: {'; '.join(wrong)}"
        return Bundle("appserver", {}, (Finding(Rule.APPSERVER_REFUSES, ("appserver",), message),))
    return Bundle("appserver", {FILE: text})


def problems(text: str) -> list[str]:
    """Return what the app server's own code says about a configuration file."""
    with tempfile.TemporaryDirectory(prefix="proxyconf-") as folder:
        path = FilePath(folder, FILE)
        path.write_text(text, encoding="utf-8")
        try:
            sources.load(["-c", str(path)], {})
        except ConfigError as error:
            return [line.replace(f"{folder}/", "") for line in str(error).splitlines()]
    return []


def _values(found: Facts) -> Values:
    """Return the options; what the server's own default covers stays at it."""
    defaults, server = Config(), found.server
    where = {"app_dir": server.app_dir} if server.app_dir is not None else {}
    mounted = {"root_path": found.prefix} if found.prefix else {}
    silence = found.silence_seconds or 86_400.0
    dialect = {"dialect": found.dialect} if found.dialect != defaults.forwarded.dialect else {}
    binds: dict[str, object] = {}
    if found.served:
        binds = {"bind": [str(bind) for bind in found.served], "http1": found.http1}
        if not found.early_hints:
            binds["early_hints"] = False
    return {
        "server": {"app": server.app, **where, **binds, **mounted},
        "h2": {"max_concurrent_streams": found.streams},
        "limit": {
            "field_size": max(defaults.limit.field_size, found.head_bytes),
            "head_size": max(defaults.limit.head_size, found.head_bytes),
            "request_body": found.body_bytes,
        },
        "timeout": {
            # The proxy must be the one that closes an idle connection, or a request meets a closed one.
            "keep_alive": max(defaults.timeout.keep_alive, found.idle_seconds * 2),
            "h2_idle": max(defaults.timeout.h2_idle, found.idle_seconds * 2),
            "request_body_idle": silence,
            "response_stall": silence,
            "graceful": found.drain_seconds,
        },
        "forwarded": {"trust": list(found.trust), **dialect},
        **({"listener": [_listener(one, server.certificates) for one in found.passed]} if found.passed else {}),
    }  # fmt: skip


def _listener(passed: PassedBind, certificates: Sequence[Certificate]) -> dict[str, Any]:
    """Return a listener that clients' bytes are passed on to: whatever they say of themselves is not believed."""
    header = {"proxy_protocol": passed.proxy_protocol, "proxy_protocol_from": list(passed.proxies)}
    tls = {"certfile": [pair.cert for pair in certificates], "keyfile": [pair.key for pair in certificates]}
    return {
        "bind": str(passed.address), "http_protocols": list(passed.protocols), "trust": [],
        **(header if passed.proxy_protocol != "off" else {}), **(tls if passed.tls else {}),
    }  # fmt: skip


def _toml(values: Values) -> str:
    """Print sections of plain values; a JSON string without non-ASCII escapes is a TOML string."""
    tables = [(f"[{name}]", options) for name, options in values.items() if isinstance(options, dict)]
    tables += [(f"[[{name}]]", one) for name, options in values.items() if isinstance(options, list) for one in options]
    parts = []
    for head, options in tables:
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in options.items()]
        parts.append("\n".join([head, *lines]))
    return "\n\n".join(parts) + "\n"
