"""Options as text: the help, the effective configuration with origins, and a sample file.

Never reads a source; what is printed here as TOML is what `sources` reads back.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping

from appserver.config.catalog import LISTENER_OPTIONS, LISTENER_SECTION, OPTIONS, SECTIONS, Option, Value
from appserver.config.flags import ACTIONS
from appserver.config.layer import plain
from appserver.config.options import Config
from appserver.config.values import spell

__all__ = ["effective", "help_text", "limits", "purpose", "sample", "toml_value"]

WIDTH = 100
INDENT = 30
USAGE = """\
Usage: appserver [OPTIONS] MODULE:APP

Serve an ASGI application over HTTP/2 (cleartext, prior knowledge) and HTTP/1.1.
Each option is also APPSERVER_* in the environment and a key of the file given by --config:
the command line wins over the environment, the environment over the file. Further listeners, each
with settings of its own, are [[listener]] tables of the file.
Sizes are bytes or 64KiB, 1MiB; durations are seconds or 500ms, 30s, 2m, 1h.
"""


def help_text() -> str:
    """Return what --help prints."""
    lines = [USAGE, "Commands:", *_entry("-c, --config FILE", "Read options from a TOML file; also APPSERVER_CONFIG.")]
    for flag, (action, text) in ACTIONS.items():
        lines += _entry(f"-h, {flag}" if action == "help" else flag, text)
    for section, owner in SECTIONS.items():
        lines += ["", f"[{section}] {purpose(owner)}"]
        for option in OPTIONS.values():
            if option.section == section:
                lines += _entry(_usage(option), f"{option.help} [{limits(option)}]")
    return "\n".join(lines) + "\n"


def effective(config: Config, origins: Mapping[str, str]) -> str:
    """Return what --print-config prints: TOML that loads to the same configuration."""
    lines = ["# The configuration in effect, and where each value came from."]
    for section in SECTIONS:
        lines += ["", f"[{section}]"]
        for option in _of(section):
            value = getattr(getattr(config, section), option.name)
            lines.append(f"{option.name} = {toml_value(value)}  # {plain(origins[option.key])}")
    for index, table in enumerate(config.listeners):
        lines += ["", f"[[{LISTENER_SECTION}]]"]
        for option in LISTENER_OPTIONS.values():
            origin = origins[f"{LISTENER_SECTION}.{index}.{option.name}"]
            lines.append(f"{option.name} = {toml_value(getattr(table, option.name))}  # {plain(origin)}")
    return "\n".join(lines) + "\n"


def sample() -> str:
    """Return what --sample-config prints: every option, commented out, at its default."""
    lines = ["# Options of appserver; what is commented out is the default."]
    for section, owner in SECTIONS.items():
        lines += ["", f"[{section}]  # {purpose(owner)}"]
        for option in _of(section):
            wrapped = textwrap.wrap(f"{option.help} [{limits(option)}]", WIDTH - 2, break_on_hyphens=False)
            lines += ["# " + line for line in wrapped]
            shown = spell(option, option.default) if option.unit else option.default
            lines.append(f"# {option.name} = {toml_value(shown)}")
    names = textwrap.wrap(", ".join(LISTENER_OPTIONS), WIDTH - 2)
    lines += ["", "# Each further listener has a table of its own, with these options:", *(f"# {line}" for line in names)]
    lines += [f"# [[{LISTENER_SECTION}]]", '#   bind = "127.0.0.1:8001"', '#   http_protocols = "http/1.1"']
    return "\n".join(lines) + "\n"


def limits(option: Option) -> str:
    """Return choices, bounds and default in a few words."""
    words = [" | ".join(option.choices)] if option.choices else []
    if option.low is not None and option.high is not None:
        words.append(f"{_bound(option, option.low)} to {_bound(option, option.high)}")
    elif option.low:
        words.append(f"at least {_bound(option, option.low)}")
    return ", ".join([*words, f"default {_default(option)}"])


def purpose(owner: type) -> str:
    """Return the sentence that a section's class says of itself."""
    return (owner.__doc__ or "").partition("\n")[0]


def toml_value(value: Value) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(json.dumps(item, ensure_ascii=False) for item in value) + "]"
    if isinstance(value, str):
        # JSON escapes what is not ASCII as UTF-16 pairs, which TOML does not know.
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _of(section: str) -> list[Option]:
    return [option for option in OPTIONS.values() if option.section == section]


def _bound(option: Option, bound: float) -> str:
    return spell(option, int(bound) if option.kind == "int" else bound)


def _default(option: Option) -> str:
    if isinstance(option.default, tuple):
        return ", ".join(option.default)
    if option.kind == "bool":
        return "on" if option.default else "off"
    return spell(option, option.default) or "none"


def _usage(option: Option) -> str:
    if option.kind == "bool":
        return option.flag.replace("--", "--[no-]", 1)
    kinds = {"s": "SECONDS", "B": "BYTES", "": "N" if option.kind == "int" else "NAME"}
    short = f"{option.short}, " if option.short else ""
    return f"{short}{option.flag} {option.metavar or kinds[option.unit]}"


def _entry(left: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, WIDTH - INDENT, break_on_hyphens=False)
    gap = " " * INDENT
    if len(left) + 3 > INDENT:
        return [f"  {left}", *(gap + line for line in wrapped)]
    return [f"  {left}".ljust(INDENT) + wrapped[0], *(gap + line for line in wrapped[1:])]
