"""Writes the generated pages of the reference; `--check` only says which of them have drifted.

python docs/generate.py [--check]
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run from a checkout, by any interpreter

from appserver.config.catalog import LISTENER_OPTIONS, LISTENER_SECTION, OPTIONS, SECTIONS, Option  # noqa: E402
from appserver.config.flags import ACTIONS  # noqa: E402
from appserver.config.show import limits, purpose, sample  # noqa: E402
from appserver.events import Event  # noqa: E402

MADE = "<!-- Made by docs/generate.py from {source}; do not edit. -->\n"


def pages() -> dict[Path, str]:
    """Return every generated page by its file."""
    return {
        ROOT / "docs/reference/options.md": options(),
        ROOT / "docs/reference/events.md": events(),
    }


def options() -> str:
    """Return the option reference."""
    lines = [
        "# Options of appserver",
        "",
        MADE.format(source="appserver/config/options.py"),
        "Each option has one name in three spellings. How they are read and combined is described in",
        "[Configuration](../guide/configuration.md).",
        "",
        "## Commands",
        "",
        "| Flag | What it does |",
        "| --- | --- |",
        "| `-c`, `--config FILE` | Read options from a TOML file; also `APPSERVER_CONFIG`. |",
        *(f"| `{flag}` | {text} |" for flag, (_, text) in ACTIONS.items()),
        "",
    ]
    for section, owner in SECTIONS.items():
        lines += [f"## `[{section}]`", "", purpose(owner), ""]
        for option in OPTIONS.values():
            if option.section == section:
                lines += _option(option)
    lines += _listener_options()
    lines += ["## A file with every default", "", "What `appserver --sample-config` prints:", "", "```toml"]
    return "\n".join([*lines, sample().rstrip("\n"), "```", ""])


def events() -> str:
    """Return the reference of log events."""
    lines = [
        "# Log events of appserver",
        "",
        MADE.format(source="appserver/events.py"),
        "Everything that the server logs, on stderr, by the logger `appserver`. What stands in braces is filled in;",
        "the record carries the name as `event` and what was filled in as `values`.",
        "",
        "| Event | Level | Text |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| `{event.name.lower()}` | {logging.getLevelName(event.level).lower()} | {_cell(event.sentence)} |"
        for event in Event
    ]
    return "\n".join([*lines, ""])


def main(argv: list[str]) -> int:
    """Write the pages, or check them."""
    drifted = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in drifted:
        print(f"{path.relative_to(ROOT)}: {'differs; run python docs/generate.py' if argv else 'written'}")
        if not argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages()[path], "utf-8")
    return 1 if argv and drifted else 0


def _listener_options() -> list[str]:
    own = [option for name, option in LISTENER_OPTIONS.items() if f"server.{name}" not in OPTIONS]
    shared = [f"[`{name}`](#server-{name})" for name in LISTENER_OPTIONS if f"server.{name}" in OPTIONS]
    lines = [f"## `[[{LISTENER_SECTION}]]`", "", "A listener beside the default one, in the file only"]
    lines += ["([Listeners](../guide/listeners.md)). Of `[server]` it has, with their defaults:", "", f"{', '.join(shared)}."]
    for option in own:
        lines += ["", f"### `{option.name}` {{ #{option.section}-{option.name} }}", "", option.help]
    return [*lines, ""]


def _option(option: Option) -> list[str]:
    flag = option.flag.replace("--", "--[no-]", 1) if option.kind == "bool" else option.flag
    return [
        f"### `{option.name}` {{ #{option.section}-{option.name} }}",
        "",
        f"{option.help} *{limits(option)}*",
        "",
        f"`{flag}` · `{option.env}` · `{option.toml}`",
        "",
    ]


def _cell(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
