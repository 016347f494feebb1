"""The command line: an argparse parser made from the catalog, and what one call of it said.

argparse does not judge values here: every option takes text, so that all mistakes are found in one pass
and read like those of the other sources.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from appserver.config.catalog import OPTIONS, Option
from appserver.config.layer import Layer, nearest, plain

__all__ = ["ACTIONS", "FOREIGN", "from_command_line"]

WHERE = "on the command line"
MISSING = "\0missing"  # no word of a command line can hold a NUL

ACTIONS = {
    "--help": ("help", "Show this text and exit."),
    "--version": ("version", "Show the versions of everything that matters and exit."),
    "--check-config": ("check", "Read and judge the whole configuration, say ok, and exit."),
    "--print-config": ("print", "Print the configuration in effect as TOML, each value with its origin, and exit."),
    "--sample-config": ("sample", "Print a commented configuration file with every default, and exit."),
}
CONFIG_FLAG = "--config"

# What users of other servers type first; no spelling distance leads from these to ours.
FOREIGN = {
    "-b": "--bind",
    "-p": "--bind :PORT",
    "--host": "--bind HOST:PORT",
    "--port": "--bind :PORT",
    "--uds": "--bind unix:PATH",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        """Turn what argparse still finds by itself into one of our faults."""
        raise argparse.ArgumentError(None, message)


def from_command_line(argv: Sequence[str]) -> tuple[Layer, str, list[str]]:
    """Return the options said, the action asked for ("run" by default) and the configuration files."""
    layer = Layer()
    words = _without_values_of_switches(argv, layer)
    try:
        said, extra = _parser().parse_known_args(words)
    except argparse.ArgumentError as error:
        layer.faults.append(f"the command line: {error}")
        return layer, "run", []
    said_values: dict[str, Any] = vars(said)
    action: str = said_values.pop("action", "run")
    files = _files(said_values.pop("config", []), layer)
    positional = said_values.pop("positional", None)
    for key, raw in said_values.items():
        _take(layer, OPTIONS[key], raw)
    if not _refuse(layer, extra):
        _take_positional(layer, positional)
    return layer, action, files


def _parser() -> _Parser:
    parser = _Parser(
        "appserver",
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        # Without a width every add_argument asks shutil for the terminal's; importing that costs 2 ms.
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=80),
    )
    parser.add_argument("positional", nargs="?")
    for flag, (action, _) in ACTIONS.items():
        names = (flag, "-h") if action == "help" else (flag,)
        parser.add_argument(*names, action="store_const", const=action, dest="action")
    parser.add_argument("-c", CONFIG_FLAG, action="append", nargs="?", const=MISSING, dest="config")
    for option in OPTIONS.values():
        _declare(parser, option)
    return parser


def _declare(parser: _Parser, option: Option) -> None:
    names = (option.short, option.flag) if option.short else (option.flag,)
    if option.kind == "bool":
        parser.add_argument(*names, action=argparse.BooleanOptionalAction, dest=option.key)
        return
    # nargs "?" keeps argparse from stopping at the first missing value: we report it with the rest.
    action = "append" if option.is_list else "store"
    parser.add_argument(*names, action=action, nargs="?", const=MISSING, dest=option.key)


# Values


def _take(layer: Layer, option: Option, raw: Any) -> None:
    if isinstance(raw, bool):
        flag = option.flag if raw else option.flag.replace("--", "--no-", 1)
        layer.put(option, raw, f"{flag} {WHERE}")
        return
    origin = f"{option.flag} {WHERE}"
    if MISSING in (raw if isinstance(raw, list) else [raw]):
        layer.faults.append(f"{origin}: a value is missing")
        layer.broken.add(option.key)
    elif isinstance(raw, list):
        # Only where no entry can hold a comma of its own.
        words = [word for text in raw for word in text.split(",")] if option.choices else raw
        layer.read_texts(option, words, origin)
    else:
        layer.read_text(option, raw, origin)


def _take_positional(layer: Layer, app: str | None) -> None:
    if app is None:
        return
    option = OPTIONS["server.app"]
    if option.key in layer.values:
        layer.faults.append(f"MODULE:APP {WHERE}: given twice, as {plain(app)} and with --app")
        return
    layer.read_text(option, app, f"MODULE:APP {WHERE}")


def _files(raw: list[str], layer: Layer) -> list[str]:
    if MISSING in raw or "" in raw:
        layer.faults.append(f"{CONFIG_FLAG} {WHERE}: a file is missing")
        return []
    if len(raw) > 1:
        layer.faults.append(f"{CONFIG_FLAG} {WHERE}: given {len(raw)} times; one configuration file is read")
    return raw[:1]


# Mistakes


def _refuse(layer: Layer, extra: list[str]) -> bool:
    """Report what was not understood; return whether the other words may be values of unknown flags."""
    unknown = [word for word in extra if word.startswith("-") and word != "-"]
    for word in unknown:
        name = word.partition("=")[0]
        layer.refuse(f"{plain(name)} {WHERE}", FOREIGN.get(name) or nearest(name, known_flags()))
    if unknown:
        return True
    layer.faults.extend(f"{plain(word)} {WHERE}: unexpected; one application is served" for word in extra)
    return False


def known_flags() -> list[str]:
    """Return every long flag."""
    flags = [*ACTIONS, CONFIG_FLAG]
    for option in OPTIONS.values():
        flags.append(option.flag)
        if option.kind == "bool":
            flags.append(option.flag.replace("--", "--no-", 1))
    return flags


def _without_values_of_switches(argv: Sequence[str], layer: Layer) -> list[str]:
    """Drop `--switch=value`, at which argparse would stop, and report it."""
    switches = {option.flag for option in OPTIONS.values() if option.kind == "bool"}
    switches |= {flag.replace("--", "--no-", 1) for flag in switches} | set(ACTIONS)
    kept: list[str] = []
    for index, word in enumerate(argv):
        if word == "--":
            return [*kept, *argv[index:]]
        name, equals, _ = word.partition("=")
        if equals and name in switches:
            layer.faults.append(f"{name} {WHERE}: takes no value")
        else:
            kept.append(word)
    return kept
