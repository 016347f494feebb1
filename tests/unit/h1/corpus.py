"""Reads the corpora of tests/wire/h1 (its README.md says how they are written)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "wire" / "h1"
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]+)\}|(.))")
PLAIN = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\", "{": b"{", "}": b"}"}
REPEAT = re.compile(r"\{(\d+)\*")

Seen = tuple[str, bytes, bytes, list[tuple[bytes, bytes]]]


@dataclass
class Case:
    """One request stream and what must come of it."""

    name: str
    statuses: list[int]
    closes: bool
    data: bytes = b""
    seen: list[Seen] = field(default_factory=list)

    def __str__(self) -> str:
        return self.name


def expand(text: str) -> bytes:
    """Undo escapes and repetitions."""
    found = REPEAT.search(text)
    if found is None:
        return ESCAPE.sub(_unescape, text).encode("latin-1")
    depth, end = 1, found.end()
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    inner = expand(text[found.end() : end - 1])
    return expand(text[: found.start()]) + int(found[1]) * inner + expand(text[end:])


def _unescape(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2]:
        return chr(int(match[2], 16)).encode().decode("latin-1")
    return PLAIN[match[3]].decode("latin-1")


def load(name: str) -> list[Case]:
    """Return the cases of one corpus."""
    cases: list[Case] = []
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            title, _, verdict = line[3:].rpartition(" | ")
            *statuses, end = verdict.split()
            cases.append(Case(title, [int(status) for status in statuses], {"close": True, "open": False}[end]))
        elif line.startswith(">> "):
            pairs = [expand(word).split(b"=") for word in line[3:].split()]
            cases[-1].seen[-1][3].extend((pair[0], pair[1]) for pair in pairs)
        elif line.startswith("> "):
            method, target, body = [*line[2:].split(" ", 2), ""][:3]
            cases[-1].seen.append((method, expand(target), expand(body), []))
        elif line and not line.startswith("#"):
            cases[-1].data += expand(line)
    return cases
