"""The TOML file as a source of options; every fault says file:line:column."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from appserver.config.catalog import LISTENER_OPTIONS, LISTENER_SECTION, OPTIONS, SECTIONS
from appserver.config.layer import Layer, nearest, plain
from appserver.config.positions import Path, Place, key_places

__all__ = ["from_file", "from_toml_text"]

_TOML_PLACE = re.compile(r"(.*) \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)")


def from_file(path: str, origin: str) -> Layer:
    """Read the file that `origin` named."""
    layer = Layer()
    try:
        with open(path, "rb") as source:
            raw = source.read()
        text = raw.decode()
    except OSError as error:
        layer.faults.append(f"{origin}: {plain(path)}: {error.strerror}")
        return layer
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        layer.faults.append(f"{plain(path)}:{line}: not UTF-8")
        return layer
    except ValueError as error:  # a NUL in the name
        layer.faults.append(f"{origin}: {plain(path)}: {error}")
        return layer
    return from_toml_text(text, plain(path))


def from_toml_text(text: str, name: str) -> Layer:
    """Read a document; `name` is how faults call it."""
    layer = Layer()
    text = text.replace("\r\n", "\n")
    try:
        document = tomllib.loads(text)
        places = key_places(text)
    except (ValueError, RecursionError) as error:
        layer.faults.append(_syntax_fault(text, name, error))
        return layer
    reader = _Reader(layer, name, places)
    for section, body in document.items():
        if section == LISTENER_SECTION:
            reader.listeners(body)
        else:
            reader.section(section, body)
    return layer


class _Reader:
    __slots__ = ("layer", "name", "places")

    def __init__(self, layer: Layer, name: str, places: dict[Path, Place]) -> None:
        self.layer = layer
        self.name = name
        self.places = places

    def section(self, section: str, body: object) -> None:
        if section not in SECTIONS:
            self.layer.refuse(self._at(section), _suggest_section(section))
        elif not isinstance(body, dict):
            self.layer.faults.append(f"{self._at(section)}: is a section; write [{section}] and its options below")
        else:
            for key, raw in body.items():
                self._option(section, key, raw)

    def listeners(self, body: object) -> None:
        if not isinstance(body, list) or not all(isinstance(table, dict) for table in body):
            line, column = self.places[LISTENER_SECTION,]
            place = f"{self.name}:{line}:{column}"
            self.layer.faults.append(f"{place} {LISTENER_SECTION}: is an array of tables; write [[{LISTENER_SECTION}]]")
            return
        for index, table in enumerate(body):
            self._listener(index, table)

    def _listener(self, index: int, table: dict[str, Any]) -> None:
        line, column = self.places[LISTENER_SECTION, index]
        one = Layer(where=f"{self.name}:{line}:{column} [[{LISTENER_SECTION}]]")
        for key, raw in table.items():
            line, column = self.places[LISTENER_SECTION, index, key]
            where = f"{self.name}:{line}:{column} [[{LISTENER_SECTION}]] {plain(key)}"
            if key in LISTENER_OPTIONS:
                one.read_toml(LISTENER_OPTIONS[key], raw, where)
            else:
                close = nearest(key, LISTENER_OPTIONS)
                one.refuse(where, f"[[{LISTENER_SECTION}]] {close}" if close else "")
        if "listener.bind" not in one.values and "listener.bind" not in one.broken:
            one.faults.append(f'{one.where}: has no address; write bind = ":8001"')
        self.layer.faults += one.faults
        self.layer.listeners.append(one)

    def _option(self, section: str, key: str, raw: Any) -> None:
        option = OPTIONS.get(f"{section}.{key}")
        if option is None:
            self.layer.refuse(self._at(section, key), _suggest_key(section, key))
        else:
            self.layer.read_toml(option, raw, self._at(section, key))

    def _at(self, *path: str) -> str:
        line, column = self.places[path]
        return f"{self.name}:{line}:{column} [{plain(path[0])}]{''.join(' ' + plain(key) for key in path[1:])}"


def _suggest_section(section: str) -> str:
    homes = [option.toml for option in OPTIONS.values() if option.name == section]
    close = nearest(section, SECTIONS)
    return homes[0] if homes else f"[{close}]" if close else ""


def _suggest_key(section: str, key: str) -> str:
    own = [option.name for option in OPTIONS.values() if option.section == section]
    homes = [option.toml for option in OPTIONS.values() if option.name == key]
    close = nearest(key, own)
    if homes or close:
        return homes[0] if homes else f"[{section}] {close}"
    names: Mapping[str, str] = {option.name: option.toml for option in OPTIONS.values()}
    return names.get(nearest(key, names), "")


def _syntax_fault(text: str, name: str, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"{name}: nested too deep"
    match = _TOML_PLACE.fullmatch(str(error))
    if match is None:
        return f"{name}: {plain(str(error))}"
    line, column = (match[2], match[3]) if match[2] else _end(text)
    return f"{name}:{line}:{column}: {plain(match[1])}"


def _end(text: str) -> tuple[str, str]:
    return str(text.count("\n") + 1), str(len(text) - text.rfind("\n"))
