"""A site file in the making: what was understood of another configuration, and what was not, with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from proxyconf.verbs.fmt import formatted

__all__ = ["Data", "Draft", "Remark", "duration", "laid_over", "size"]

Data = dict[str, Any]
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
_SIZES = {"": 0, "k": 10, "m": 20, "g": 30}


class _Plain(yaml.SafeDumper):
    """Writes everything out: site files have anchors only where a person wants them."""

    def ignore_aliases(self, data: object) -> bool:
        """Say that nothing is written by reference."""
        return True


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """Something that is not in the site file."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """Say it with its place."""
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(slots=True)
class Draft:
    """The keys of a site file, as plain data."""

    proxy: str
    target: Data = field(default_factory=dict)
    listeners: dict[str, Data] = field(default_factory=dict)
    upstreams: dict[str, Data] = field(default_factory=dict)
    sites: list[Data] = field(default_factory=list)
    trust: Data = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)

    def text(self, source: str, remarks: Iterable[Remark] = ()) -> str:
        """Return the site file; what was not understood stands at its top."""
        made: Data = {"version": 1, "targets": [{"proxy": self.proxy, **self.target}], "listeners": self._listeners()}
        made |= {"trust": self.trust} if self.trust else {}
        made |= {"upstreams": self.upstreams} if self.upstreams else {}
        made["sites"] = [self._site(site) for site in self.sites]
        said = [f"# Not understood, and not in here: {remark}" for remark in remarks]
        head = [f"# Imported from {_plain(source)} by proxyconf; read it before you use it.", *map(_plain, said)]
        printed = yaml.dump(made, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
        # `${` is a variable of site files, and was none where it comes from.
        text = "\n".join(head) + "\n" + printed.replace("${", "$${")
        return formatted("site.yaml", text.encode())

    def _listeners(self) -> dict[str, Data]:
        return {name: {key: value for key, value in made.items() if value not in ([], None)} for name, made in self.listeners.items()}

    def _site(self, site: Data) -> Data:
        """Leave out where a site lives if it lives on everything that serves."""
        serving = [name for name, made in self.listeners.items() if "redirect" not in made]
        ordered: Data = {key: site[key] for key in ("hostnames", "canonical", "listeners", "hsts", "upstream") if key in site}
        ordered |= {key: value for key, value in site.items() if key not in ordered and key != "routes"}
        kept = {key: value for key, value in {**ordered, "routes": site.get("routes")}.items() if value not in ([], {}, None)}
        if sorted(kept.get("listeners", serving)) == sorted(serving):
            kept.pop("listeners", None)
        return kept


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Data:
    """Return settings with others laid over them, key by key in mappings."""
    made = dict(below)
    for key, value in above.items():
        made[key] = laid_over(made[key], value) if isinstance(value, dict) and isinstance(made.get(key), dict) else value
    return made


def duration(seconds: float) -> str:
    """Write a time the way site files do."""
    if seconds != int(seconds):
        return f"{round(seconds * 1000)}ms"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{int(seconds) // length}{unit}"
    return f"{int(seconds)}s"


def seconds_of(text: str) -> float:
    """Read nginx's times: `60`, `30s`, `1h 30m`. Raises ValueError."""
    parts = re.findall(r"([0-9]+)(ms|[smhdwMy]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise ValueError(text)
    return sum(int(number) * _UNITS[unit or "s"] for number, unit in parts)


def size(number: int) -> str:
    """Write a size the way site files do; 0 is none."""
    if number == 0:
        return "unlimited"
    for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if number % (1 << bits) == 0:
            return f"{number >> bits}{unit}"
    return f"{number}B"


def bytes_of(text: str) -> int:
    """Read nginx's sizes: `20m`, `8k`, `1g`, `512`. Raises ValueError."""
    match = re.fullmatch(r"([0-9]+)([kmg]?)", text.lower())
    if match is None:
        raise ValueError(text)
    return int(match[1]) << _SIZES[match[2]]


def _plain(text: str) -> str:
    """Return a text as one line of a comment."""
    return "".join(char if char.isprintable() else "?" for char in text)
