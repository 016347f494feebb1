"""The cases of tests/wire/ws."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["CASES", "unfold"]

FILE = Path(__file__).resolve().parents[2] / "wire" / "ws" / "frames.txt"
GROUP = re.compile(r"\(([^)]*)\)\*(\d+)")
REPEATED = re.compile(r"\b([0-9a-f]{2})\*(\d+)")


def unfold(text: str) -> str:
    """Return hexadecimal with its repetitions written out."""
    text = GROUP.sub(lambda match: match[1] * int(match[2]), text)
    return REPEATED.sub(lambda match: match[1] * int(match[2]), text).replace(" ", "")


def read() -> dict[str, tuple[list[str], bytes]]:
    cases = {}
    for line in FILE.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            name, outcome, data = re.split(r"  +", line, maxsplit=2)
            cases[name] = (outcome.split(" "), bytes.fromhex(unfold(data)))
    return cases


CASES = read()
