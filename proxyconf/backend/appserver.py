"""Our own server's end: `appserver.toml`, checked by the server's own configuration code."""

from __future__ import annotations

import json
import tempfile
import tomllib
from pathlib import Path as FilePath
from typing import Any

from appserver.config import sources
from appserver.config.options import Config
from appserver.errors import ConfigError
from proxyconf.backend.facts import Facts
from proxyconf.document.findings import Finding, Rule
from proxyconf.output.bundle import Bundle

__all__ = ["FILE", "problems", "render"]

FILE = "appserver.toml"

Values = dict[str, dict[str, Any]]


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
    return {
        "server": {
            "app": server.app, **where, "bind": [str(bind) for bind in found.binds], "http1": found.http1, **mounted,
        },
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
        "forwarded": {"trust": list(found.trust)},
    }  # fmt: skip


def _toml(values: Values) -> str:
    """Print sections of plain values; a JSON string without non-ASCII escapes is a TOML string."""
    parts = []
    for name, options in values.items():
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in options.items()]
        parts.append("\n".join([f"[{name}]", *lines]))
    return "\n\n".join(parts) + "\n"
