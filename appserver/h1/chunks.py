# cython: boundscheck=False, wraparound=False
r"""A chunked body, as RFC 9112 7.1 spells it and not otherwise.

    chunk       = 1*HEXDIG [ extensions ] CRLF  data  CRLF
    extensions  = *( ";" token [ "=" ( token / quoted-string ) ] )       no blanks: they are "bad white space"

    SIZE --line--> DATA --all of it--> DATA_END --CRLF--> SIZE
       \--line of size 0--> TRAILERS --empty line--> DONE

Data is skipped by its length, never searched: a chunk costs the same whatever it holds.
"""

from __future__ import annotations

import re

from appserver.contract import Fields
from appserver.h1.fields import FieldReader
from appserver.http.limits import Limits
from appserver.http.message import Head
from appserver.http.verdicts import RESET

__all__ = ["ChunkReader"]

SIZE = 0
DATA = 1
DATA_END = 2
TRAILERS = 3
DONE = 4

CR = 13
LF = 10
SEMICOLON = 59

# 0 to 15 for a hexadecimal digit, else 255.
DIGITS = bytes(int(chr(byte), 16) if chr(byte) in "0123456789abcdefABCDEF" else 255 for byte in range(256))
NO_DIGIT = 255
MAX_DIGITS = 16
MAX_SIZE = 1 << 60
# Bytes of the extensions of one chunk, and of all of one body.
MAX_EXTENSION = 1_024
MAX_EXTENSIONS = 16_384
# Of the trailers: bytes and fields.
MAX_TRAILERS = 8_192
MAX_TRAILER_FIELDS = 32
# Data from this size on is copied only once, when the pieces of a read are joined.
VIEWED = 4_096

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
EXTENSIONS = re.compile(rb"(?:;%s(?:=(?:%s|\"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*\"))?)+" % (TOKEN, TOKEN))
# What no extension may hold, wherever it is cut.
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x0c\x0e-\x1f\x7f]|\r[^\n]")


class ChunkReader:
    """The chunked bodies of one connection, one at a time.

    `pieces` are those of the data since they were last taken; `is_done` is set at the end, and `trailers` are known.
    `status` and `reason` are set if the body is refused; nothing is read after that.
    """

    __slots__ = (
        "_extensions", "_fields", "_head", "_left", "_limit", "_max_field", "_received", "_state", "is_done", "pieces",
        "reason", "status", "trailers",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limit: int = limits.body
        self._max_field: int = min(limits.field, MAX_TRAILERS)
        self._fields: FieldReader | None = None
        self.begin()

    def begin(self) -> None:
        """Expect another body."""
        self._state = SIZE
        self._left: int = 0
        self._received: int = 0
        self._extensions: int = 0
        self._head: Head | None = None
        self.pieces: list[bytes | memoryview] = []
        self.is_done = False
        self.trailers: Fields = []
        self.status: int = 0
        self.reason: str = ""

    def take(self, is_wanted: bool = True) -> bytes:
        """Return the data since the last call, in one piece; nothing if it is not wanted."""
        pieces = self.pieces
        if not is_wanted:
            data = b""
        elif len(pieces) == 1 and type(pieces[0]) is bytes:
            data = pieces[0]
        else:
            data = b"".join(pieces)
        self.pieces = []
        return data

    def read(self, data: bytes, at: int) -> int:
        """Take what is whole of `data` from `at` on; return where it stopped: behind the body, or at a line that is cut."""
        text = data
        size = len(data)
        while at < size:
            state = self._state
            if state == DATA:
                at = self._read_data(data, at)
            elif state == SIZE:
                before = at
                at = self._read_size(data, at)
                if at == before:
                    break
            elif state == DATA_END:
                if text[at] != CR or (at + 1 < size and text[at + 1] != LF):
                    self._fail(400, "a chunk that is longer than its size")
                    break
                if at + 1 == size:
                    break
                at += 2
                self._state = SIZE
            else:
                at = self._read_trailers(data, at)
                break
        return at

    def _fail(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason

    def _read_data(self, data: bytes, at: int) -> int:
        text = data
        size = len(data) - at
        if size > self._left:
            size = self._left
        if size == len(data):
            self.pieces.append(data)
        elif size < VIEWED:
            self.pieces.append(text[at : at + size])
        else:
            self.pieces.append(memoryview(data)[at : at + size])
        self._left -= size
        if self._left == 0:
            self._state = DATA_END
        return at + size

    def _read_size(self, data: bytes, at: int) -> int:
        """Take a line with the size of a chunk; return `at` if it is cut or refused."""
        text = data
        digits = DIGITS
        size = len(data)
        mark = at
        length = 0
        while mark < size and mark - at <= MAX_DIGITS:
            digit = digits[text[mark]]
            if digit == NO_DIGIT:
                break
            length = length * 16 + digit
            mark += 1
        if mark - at > MAX_DIGITS or length > MAX_SIZE:
            self._fail(400, "a chunk size that is no size")
            return at
        if mark == size:
            return at
        if mark == at:
            self._fail(400, "a chunk that does not begin with its size")
            return at
        end = mark if text[mark] == CR else self._read_extensions(data, mark)
        if end < 0:
            return at
        if end + 1 >= size:
            return at
        if text[end + 1] != LF:
            self._fail(400, "a CR without its LF")
            return at
        self._extensions += end - mark
        if self._extensions > MAX_EXTENSIONS:
            self._fail(400, "too long chunk extensions")
            return at
        self._open(length)
        return at if self.status else end + 2

    def _read_extensions(self, data: bytes, at: int) -> int:
        """Return where the extensions of a chunk end, -1 if they are cut or refused."""
        if data[at] != SEMICOLON:
            self._fail(400, "a chunk size that is followed by neither extensions nor CRLF")
            return -1
        text = data[at : at + MAX_EXTENSION + 2]
        end = text.find(b"\r\n")
        if CONTROL.search(text if end < 0 else text[: end + 1]) is not None:
            self._fail(400, "a control character in chunk extensions")
        elif end >= 0:
            if EXTENSIONS.fullmatch(text, 0, end) is not None:
                return at + end
            self._fail(400, "malformed chunk extensions")
        elif len(text) == MAX_EXTENSION + 2:
            self._fail(400, "too long chunk extensions")
        return -1

    def _open(self, length: int) -> None:
        if length == 0:
            self._state = TRAILERS
            return
        self._received += length
        if self._limit and self._received > self._limit:
            self._fail(413, "the body is longer than limit.request_body")
            return
        self._left = length
        self._state = DATA

    def _read_trailers(self, data: bytes, at: int) -> int:
        head = self._head
        fields = self._fields
        if head is None or fields is None:
            fields = self._fields = FieldReader()
            head = Head(Limits(0, MAX_TRAILER_FIELDS, self._max_field, MAX_TRAILERS, 0), False)
            self._head = head
        whole = fields.read(data, at, head, self._max_field)
        if fields.refused and not head.verdict:
            self._fail(400, fields.reason)
        elif whole or head.verdict:
            trailers = head.trailers()
            if trailers is None:
                self._fail(400 if head.verdict == RESET else 431, head.reason)
            else:
                self.trailers = trailers
                self._state = DONE
                self.is_done = True
        return fields.at
