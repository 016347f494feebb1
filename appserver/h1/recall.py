"""The judged fields of the heads before: a peer mostly sends what it sent already, in the same order.

Owns what one connection keeps of its last head, and what the process keeps of all.
"""

from __future__ import annotations

from typing import Any

from appserver.http.message import Field, Head, judge

__all__ = ["Recall"]

# By name and value, for the process; long values rarely repeat.
JUDGED: dict[tuple[bytes, bytes], Field] = {}
JUDGED_FIELDS = 1_024
JUDGED_SIZE = 256
# By their place, for a connection: compared, not looked up.
KEPT_FIELDS = 32


class Recall:
    """The fields of one connection. `misread` is set if llhttp understood the message otherwise than we do."""

    __slots__ = ("_at", "_fields", "_gap", "_held", "_names", "_values", "misread")

    def __init__(self) -> None:
        self._names: list[bytes] = []
        self._values: list[bytes] = []
        self._fields: list[Any] = []
        self._at: int = 0
        self._held: int = -1
        self._gap = False
        self.misread = False

    def rewind(self) -> None:
        """A new head begins."""
        self._at = 0
        self._gap = False
        self.misread = False

    def hold(self) -> bool:
        """The head has ended: hold its fields for `replay`; False if one was too long to be kept."""
        self._held = -1 if self._gap or self._at > KEPT_FIELDS else self._at
        return self._held >= 0

    def replay(self, head: Head) -> None:
        """Add the fields of the head that was held."""
        for at in range(self._held):
            head.take(self._fields[at])

    def field(self, name: bytes, value: bytes) -> Field:
        """Return the judged field of the next name and value of a head or of trailers."""
        at = self._at
        if at < len(self._names) and name == self._names[at] and value == self._values[at]:
            self._at = at + 1
            known: Field = self._fields[at]
            return known
        return self._find(name, value)

    def _find(self, name: bytes, value: bytes) -> Field:
        lowered = name.lower()
        keep = len(name) + len(value) <= JUDGED_SIZE
        if lowered == b"proxy-connection":
            # RFC 9110 7.6.1 knows it not. llhttp heeds it, and would take nothing behind this message.
            self.misread = True
            keep = False
        field = JUDGED.get((name, value))
        if field is None:
            field = judge(lowered, value.strip(b" \t"))
            if keep:
                if len(JUDGED) >= JUDGED_FIELDS:
                    JUDGED.clear()
                JUDGED[name, value] = field
        if keep:
            self._keep(name, value, field)
        else:
            # No field has an empty name: a place that keeps none never matches.
            self._gap = True
            self._keep(b"", b"", None)
        return field

    def _keep(self, name: bytes, value: bytes, field: Field | None) -> None:
        at = self._at
        self._at = at + 1
        if at < len(self._names):
            self._names[at] = name
            self._values[at] = value
            self._fields[at] = field
        elif at < KEPT_FIELDS:
            self._names.append(name)
            self._values.append(value)
            self._fields.append(field)
