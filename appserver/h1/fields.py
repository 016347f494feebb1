# cython: boundscheck=False, wraparound=False
r"""Field lines of heads and of trailers, as RFC 9112 5 spells them and not otherwise.

    field-line = field-name ":" OWS field-value OWS CRLF        the section ends with an empty line

Nothing is forgiven: no bare CR or LF, no folding, no blank before the colon. Whole lines are taken as they come;
of a line that is not whole yet nothing is remembered but its bytes, which the caller sends again with the rest.
"""

from __future__ import annotations

from typing import Any

from appserver.http.field import Field, judge
from appserver.http.grammar import TOKEN_BAD, VALUE_BAD
from appserver.http.message import Head

__all__ = ["FieldReader"]

CR = 13
LF = 10
COLON = 58
SPACE = 32
TAB = 9

# Lower case of what a name may hold, else 0; what may not be in a value, its CRLF included.
LOWER = bytes(0 if TOKEN_BAD[byte] else ord(chr(byte).lower()) for byte in range(256))
STOP = VALUE_BAD
# Bytes of one line that are neither name nor value: colon, blanks, CRLF.
LINE_SLACK = 258

# What a connection keeps of the lines of its last head, by name: few, short, and no secrets.
SLOTS = 64
PROBES = 4
MAX_KEPT = 32
MAX_KEPT_NAME = 64
MAX_KEPT_VALUE = 256
SECRETS = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))
# Names that are the same object in each request of the process.
KNOWN: dict[bytes, bytes] = {
    name: name
    for name in (
        b"accept accept-charset accept-encoding accept-language accept-datetime access-control-request-headers "
        b"access-control-request-method authorization baggage cache-control cdn-loop cf-connecting-ip cf-ipcountry cf-ray "
        b"cf-visitor connection content-digest content-disposition content-encoding content-language content-length "
        b"content-location content-range content-type cookie date dnt early-data expect forwarded from grpc-encoding "
        b"grpc-timeout host http2-settings if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive "
        b"last-event-id max-forwards origin pragma prefer priority proxy-authorization proxy-connection range referer "
        b"save-data sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site "
        b"sec-fetch-user sec-gpc sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version te "
        b"traceparent tracestate trailer transfer-encoding true-client-ip upgrade upgrade-insecure-requests user-agent via "
        b"x-amzn-trace-id x-api-key x-b3-sampled x-b3-spanid x-b3-traceid x-client-ip x-correlation-id x-csrf-token "
        b"x-csrftoken x-envoy-attempt-count x-envoy-expected-rq-timeout-ms x-forwarded-for x-forwarded-host "
        b"x-forwarded-port x-forwarded-prefix x-forwarded-proto x-forwarded-scheme x-forwarded-server x-original-uri "
        b"x-real-ip x-request-id x-request-start x-requested-with x-scheme x-trace-id x-url-scheme"
    ).split()
}


class Slot:
    """One name, with the value and the judged field that this connection sent last."""

    __slots__ = ("field", "is_secret", "name", "value")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.is_secret = name in SECRETS
        # None: nothing to compare with, or a secret.
        self.value: bytes | None = None
        self.field: Field | None = None


class FieldReader:
    """Reads the field lines of one connection.

    After `read`: `at` is where it stopped, `refused` that no more lines are to come, `reason` why, unless the head says it.
    """

    __slots__ = ("_kept", "_slots", "at", "reason", "refused")

    def __init__(self) -> None:
        self._slots: list[Any] = [None] * SLOTS
        self._kept = 0
        self.at: int = 0
        self.refused = False
        self.reason: str = ""

    def read(self, data: bytes, at: int, head: Head, max_field: int) -> bool:
        """Add the lines of `data` from `at` on to `head`; True behind the empty line, False at the end of the data.

        What is left behind `at` is a line that is not whole; one of more than `max_field` bytes is not waited for. Stops at
        the first verdict of the head.
        """
        text = data
        lower = LOWER
        size = len(data)
        max_line = max_field + LINE_SLACK
        while at < size:
            if text[at] == CR:
                return self._end(data, at)
            stop = min(size, at + max_line)
            # The name, and a hash of it that knows no case.
            mark = at
            key = 0
            while mark < stop:
                byte = lower[text[mark]]
                if byte == 0:
                    break
                key = (key * 33 + byte) & 0xFFFFFF
                mark += 1
            value = mark + 1
            if mark == at or (mark < stop and text[mark] != COLON):
                self._refuse("a field line that does not begin with a name and a colon")
                break
            while value < stop and (text[value] == SPACE or text[value] == TAB):
                value += 1
            slot = self._find(data, at, mark, key) if value < stop else None
            after = _repeats(data, value, size, slot) if slot is not None else 0
            if after and slot is not None:
                if slot.field is None:
                    slot.field = judge(slot.name, slot.value)
                head.take(slot.field)
            else:
                after = self._add(data, at, mark, value, stop, slot, head)
                if after == 0:
                    if stop == at + max_line and not self.refused:
                        head.fail(431, "a field is longer than limit.field_size")
                        self.refused = True
                    break
            at = after
            if head.verdict:
                self.refused = True
                break
        self.at = at
        return False

    def _end(self, data: bytes, at: int) -> bool:
        self.at = at
        if at + 1 == len(data):
            return False
        if data[at + 1] != LF:
            self._refuse("a CR without its LF")
            return False
        self.at = at + 2
        return True

    def _refuse(self, reason: str) -> None:
        self.refused = True
        self.reason = reason

    def _add(self, data: bytes, at: int, mark: int, value: int, stop: int, slot: Slot | None, head: Head) -> int:
        """Add a line that does not repeat; return where the next begins, 0 if this one is wrong or not whole."""
        text = data
        bad = STOP
        end = value
        while end < stop and bad[text[end]] == 0:
            end += 1
        if end < stop and (text[end] != CR or (end + 1 < stop and text[end + 1] != LF)):
            self._refuse("a field line with a control character")
            return 0
        if end + 1 >= stop:
            return 0
        after = end + 2
        while end > value and (text[end - 1] == SPACE or text[end - 1] == TAB):
            end -= 1
        content = text[value:end]
        if slot is None:
            name = text[at:mark].lower()
            head.add(KNOWN.get(name, name), content)
            return after
        head.add(slot.name, content)
        slot.field = None
        slot.value = None if slot.is_secret or end - value > MAX_KEPT_VALUE else content
        return after

    def _find(self, data: bytes, at: int, mark: int, key: int) -> Slot | None:
        """Return what is kept under a name; None if it is too long to be kept."""
        slots = self._slots
        place = key & (SLOTS - 1)
        for _ in range(PROBES):
            slot: Slot | None = slots[place]
            if slot is None:
                break
            if _is_name(data, at, mark, slot.name):
                return slot
            place = (place + 1) & (SLOTS - 1)
        text = data
        return self._keep(text[at:mark].lower(), place) if mark - at <= MAX_KEPT_NAME else None

    def _keep(self, name: bytes, place: int) -> Slot:
        if self._kept == MAX_KEPT:
            self._slots = [None] * SLOTS
            self._kept = 0
        slot = Slot(KNOWN.get(name, name))
        if self._slots[place] is None:
            self._kept += 1
        self._slots[place] = slot
        return slot


def _is_name(data: bytes, at: int, mark: int, name: bytes) -> bool:
    if len(name) != mark - at:
        return False
    text = data
    lower = LOWER
    for byte in name:
        if lower[text[at]] != byte:
            return False
        at += 1
    return True


def _repeats(data: bytes, at: int, size: int, slot: Slot) -> int:
    """Return where the line ends if its value is the last one of its name, else 0."""
    last = slot.value
    if last is None or at + len(last) + 2 > size:
        return 0
    text = data
    for byte in last:
        if text[at] != byte:
            return 0
        at += 1
    return at + 2 if text[at] == CR and text[at + 1] == LF else 0


