"""The `priority` field: which of the answers on a connection is sent first (RFC 9218 4, 5 and 8).

    priority: u=1, i        urgency 0 (first) to 7 (last), by default 3; incremental: shares the turns of its urgency

A Dictionary of RFC 8941. Where that is malformed nothing was said; a member that is unknown, out of range or of another
type is as if it were not there (RFC 9218 4).
"""

from __future__ import annotations

import re

from appserver.contract import DEFAULT_URGENCY

__all__ = ["UNSAID", "Priority", "parse_priority", "read_priority"]

LOWEST_URGENCY = 7
UNSAID = -1
# Nobody needs more than `u=7, i`; what extensions may add is short, too.
MAX_FIELD = 256

_KEY = rb"[a-z*][a-z0-9_\-.*]*"
_ITEM = (
    rb"(?:-?[0-9]{1,12}\.[0-9]{1,3}(?![0-9.])"
    rb"|-?[0-9]{1,15}(?![0-9.])"
    rb'|"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"'
    rb"|[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*"
    rb"|:[A-Za-z0-9+/=]*:"
    rb"|\?[01])"
)
_PARAMETERS = rb"(?:;\x20*" + _KEY + rb"(?:=" + _ITEM + rb")?)*"
_INNER_LIST = rb"\(\x20*(?:" + _ITEM + _PARAMETERS + rb"(?:\x20+" + _ITEM + _PARAMETERS + rb")*\x20*)?\)"
_MEMBER = re.compile(
    rb"(" + _KEY + rb")(?:=(?:(" + _ITEM + rb")|" + _INNER_LIST + rb"))?" + _PARAMETERS + rb"[\x20\t]*(?:(,)[\x20\t]*|\Z)"
)
_INTEGER = re.compile(rb"-?[0-9]+\Z")


class Priority:
    """What a field says: `urgency` 0 to 7 and `incremental` 0 or 1, each UNSAID where it says nothing of it."""

    __slots__ = ("incremental", "urgency")

    def __init__(self, urgency: int = UNSAID, incremental: int = UNSAID) -> None:
        self.urgency = urgency
        self.incremental = incremental

    def resolved(self) -> tuple[int, bool]:
        """Return what it comes to with the defaults for what is not said (RFC 9218 4)."""
        return DEFAULT_URGENCY if self.urgency < 0 else self.urgency, self.incremental > 0


def parse_priority(value: bytes) -> Priority | None:
    """Return what the value of a `priority` field, or of a PRIORITY_UPDATE frame, says; None if it is malformed."""
    priority = KNOWN.get(value)
    if priority is None and len(value) <= MAX_FIELD:
        priority = _parse(value)
    return priority


def read_priority(value: bytes) -> tuple[int, bool] | None:
    """Return (urgency, incremental) of a request's field; None if it is malformed."""
    priority = parse_priority(value)
    return None if priority is None else priority.resolved()


def _parse(value: bytes) -> Priority | None:
    urgency = incremental = UNSAID
    at = len(value) - len(value.lstrip(b" "))
    more = at < len(value)
    while more:
        member = _MEMBER.match(value, at)
        if member is None:
            return None
        key, item, comma = member.groups()
        if key == b"u":
            urgency = _urgency(item)
        elif key == b"i":
            # Without a value a member is true (RFC 8941 3.2); an inner list has one.
            is_bare = member.group(0)[1:2] != b"="
            incremental = 1 if is_bare or item == b"?1" else 0 if item == b"?0" else UNSAID
        at = member.end()
        more = comma is not None
    return Priority(urgency, incremental)


def _urgency(item: bytes | None) -> int:
    if item is None or _INTEGER.match(item) is None:
        return UNSAID
    urgency = int(item)
    return urgency if 0 <= urgency <= LOWEST_URGENCY else UNSAID


# What nearly every client sends.
KNOWN: dict[bytes, Priority] = {b"i": Priority(UNSAID, 1)}
for _number in range(LOWEST_URGENCY + 1):
    KNOWN[b"u=%d" % _number] = Priority(_number, UNSAID)
    KNOWN[b"u=%d, i" % _number] = KNOWN[b"u=%d,i" % _number] = Priority(_number, 1)
