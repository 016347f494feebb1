# cython: boundscheck=False, wraparound=False
r"""Field lines of heads and of trailers, as RFC 9112 5 spells them and not otherwise.

    field-line = field-name ":" OWS field-value OWS CRLF        the section ends with an empty line

Nothing is forgiven: no bare CR or LF, no folding, no blank before the colon. Whole lines are taken as they come;
the bytes of a line that is not whole yet are sent again by the caller with the rest, and not looked at twice.
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
DEL = 127

# Lower case of what a name may hold, else 0; what may not be in a value, its CRLF included.
LOWER = bytes(0 if TOKEN_BAD[byte] else ord(chr(byte).lower()) for byte in range(256))
STOP = VALUE_BAD
# Bytes of one line that are neither name nor value: colon, blanks, CRLF.
LINE_SLACK = 258

# Of the lines of its last head a connection keeps these at most, by place; no secrets. Each has a name, a value and, once
# it has been repeated, a judged field.
MAX_KEPT = 32
MAX_KEPT_VALUE = 256
KEPT_SIZE = 3
# What is kept in place of a value that was another each time, and after how many heads it is looked at again.
VARIES = b"\r\n"
RELEARN_HEADS = 256
SECRETS = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))
# Names that are the same object in each request of the process.
KNOWN = (
    b"host user-agent accept accept-encoding accept-language cookie content-type content-length connection referer origin "
    b"authorization cache-control x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-forwarded-prefix "
    b"x-forwarded-server x-forwarded-scheme x-real-ip x-request-id traceparent tracestate via te transfer-encoding upgrade "
    b"upgrade-insecure-requests if-none-match if-modified-since range expect priority pragma sec-ch-ua sec-ch-ua-mobile "
    b"sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user dnt accept-charset accept-datetime "
    b"access-control-request-headers access-control-request-method baggage cdn-loop cf-connecting-ip cf-ipcountry cf-ray "
    b"cf-visitor content-digest content-disposition content-encoding content-language content-location content-range date "
    b"early-data forwarded from grpc-encoding grpc-timeout http2-settings if-match if-range if-unmodified-since keep-alive "
    b"last-event-id max-forwards prefer proxy-authorization proxy-connection save-data sec-gpc sec-websocket-extensions "
    b"sec-websocket-key sec-websocket-protocol sec-websocket-version trailer true-client-ip x-amzn-trace-id x-api-key "
    b"x-b3-sampled x-b3-spanid x-b3-traceid x-client-ip x-correlation-id x-csrf-token x-csrftoken x-envoy-attempt-count "
    b"x-envoy-expected-rq-timeout-ms x-original-uri x-request-start x-requested-with x-scheme x-trace-id x-url-scheme"
).split()
BUCKETS = 1_024
PROBES = 8
BLOCK = 16


def _hash(name: bytes, at: int, mark: int) -> int:
    """Return the bucket of a name in any case: of its length, its first, middle and last byte."""
    size = mark - at
    first = name[at] | 32
    middle = name[at + (size >> 1)] | 32
    last = name[mark - 1] | 32
    return (size * 89 + first * 31 + middle * 113 + last * 7) & (BUCKETS - 1)


def _make_names() -> list[bytes | None]:
    """Return the known names by bucket, the more frequent ones first. They are of small letters, digits and "-"."""
    names: list[bytes | None] = [None] * (BUCKETS + PROBES)
    for name in KNOWN:
        bucket = _hash(name, 0, len(name))
        while names[bucket] is not None:
            bucket += 1
        names[bucket] = name
    return names


NAMES = _make_names()


class FieldReader:
    """Reads the field lines of one connection.

    After `read`: `at` is where it stopped, `refused` that no more lines are to come, `reason` why, unless the head says it.
    """

    __slots__ = ("_heads", "_kept", "_mark", "_place", "_scanned", "_value", "at", "reason", "refused")

    def __init__(self) -> None:
        self._kept: list[Any] = [None] * (KEPT_SIZE * MAX_KEPT)
        self._place: int = 0
        self._heads: int = 0
        # Of a line that is cut, from its beginning: to the end of its name, to its value, to where the value was scanned.
        self._mark: int = 0
        self._value: int = 0
        self._scanned: int = 0
        self.at: int = 0
        self.refused = False
        self.reason: str = ""

    def begin(self) -> None:
        """Expect the first line of a section."""
        self._mark = self._value = self._scanned = 0
        self._place = 0
        self._heads += 1
        if self._heads == RELEARN_HEADS:
            self._heads = 0
            kept = self._kept
            for place in range(1, KEPT_SIZE * MAX_KEPT, KEPT_SIZE):
                if kept[place] is VARIES:
                    kept[place] = None

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
            mark = at + self._mark
            while mark < stop and lower[text[mark]] != 0:
                mark += 1
            if mark == at or (mark < stop and text[mark] != COLON):
                self._refuse("a field line that does not begin with a name and a colon")
                break
            value = max(mark + 1, at + self._value)
            while value < stop and (text[value] == SPACE or text[value] == TAB):
                value += 1
            after = self._take(data, at, mark, value, stop, head)
            if after == 0:
                self._mark = mark - at
                self._value = min(value, stop) - at
                if stop == at + max_line and not self.refused:
                    head.fail(431, "a field is longer than limit.field_size")
                    self.refused = True
                break
            at = after
            self._mark = self._value = self._scanned = 0
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

    def _take(self, data: bytes, at: int, mark: int, value: int, stop: int, head: Head) -> int:
        """Take one line; return where the next begins, 0 if this one is wrong or not whole."""
        if value >= stop:
            return 0
        kept = self._kept
        place = self._place
        is_kept = place < KEPT_SIZE * MAX_KEPT
        last: bytes | None = kept[place] if is_kept else None
        name = _find_name(data, at, mark, last)
        before: bytes | None = kept[place + 1] if is_kept and last is name else None
        if before is not None and before is not VARIES:
            after = _end_if_same(data, value, stop, before)
            if after:
                field: Field | None = kept[place + 2]
                if field is None:
                    field = judge(name, before)
                    kept[place + 2] = field
                head.take(field)
                self._place = place + KEPT_SIZE
                return after
        text = data
        bad = STOP
        end = _skip_text(data, max(value, at + self._scanned), stop)
        while end < stop and bad[text[end]] == 0:
            end += 1
        if end < stop and (text[end] != CR or (end + 1 < stop and text[end + 1] != LF)):
            self._refuse("a field line with a control character")
            return 0
        if end + 1 >= stop:
            self._scanned = end - at
            return 0
        after = end + 2
        while end > value and (text[end - 1] == SPACE or text[end - 1] == TAB):
            end -= 1
        content = text[value:end]
        head.add(name, content)
        if is_kept:
            self._place = place + KEPT_SIZE
            if before is not VARIES:
                self._keep(place, name, content)
        return after

    def _keep(self, place: int, name: bytes, value: bytes) -> None:
        """Keep a line to compare the next one of its place with."""
        kept = self._kept
        if kept[place] is not name:
            kept[place] = name
            kept[place + 1] = None
        # What was never repeated, and now is another, is not worth a comparison.
        varies = kept[place + 1] is not None and kept[place + 2] is None
        kept[place + 2] = None
        if varies or len(value) > MAX_KEPT_VALUE or name in SECRETS:
            kept[place + 1] = VARIES
        else:
            kept[place + 1] = value


def _find_name(data: bytes, at: int, mark: int, last: bytes | None) -> bytes:
    """Return a name in lower case: a known one, else the last one of its place, else a new one."""
    names = NAMES
    bucket = _hash(data, at, mark)
    for _ in range(PROBES):
        name = names[bucket]
        if name is None:
            break
        if _is_known(data, at, mark, name):
            return name
        bucket += 1
    if last is not None and _is_name(data, at, mark, last):
        return last
    text = data
    return text[at:mark].lower()


# The loops below have no way out, so that they are vector instructions.


def _is_known(data: bytes, at: int, mark: int, name: bytes) -> bool:
    """Tell whether a token is this known name, in any case."""
    size = mark - at
    if len(name) != size:
        return False
    text = data
    known = name
    differs = 0
    for index in range(size):
        differs |= (text[at + index] | 32) ^ known[index]
    return differs == 0


def _end_if_same(data: bytes, at: int, stop: int, value: bytes) -> int:
    """Return where a line ends if this is its value, else 0."""
    size = len(value)
    end = at + size
    if end + 2 > stop:
        return 0
    text = data
    last = value
    if text[end] != CR or text[end + 1] != LF:
        return 0
    differs = 0
    for index in range(size):
        differs |= text[at + index] ^ last[index]
    return end + 2 if differs == 0 else 0


def _skip_text(data: bytes, at: int, stop: int) -> int:
    """Return how far there are only bytes that a value may hold, at least up to the last whole block."""
    text = data
    while at + BLOCK <= stop:
        special = 0
        for index in range(BLOCK):
            special |= (text[at + index] < SPACE) | (text[at + index] == DEL)
        if special:
            break
        at += BLOCK
    return at


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
