r"""One WebSocket after its handshake, over the stream that carried it: HTTP/1.1 after 101, or HTTP/2 after 200.

    OPEN --CLOSE--> CLOSING --PEER_CLOSE, FAIL--> ENDING --PEER_END--> CLOSED
      |                |                            ^
      |---PEER_CLOSE, FAIL--------------------------'
      '---PEER_END---> CLOSED <--- any: LOSS, and PEER_END of CLOSING

CLOSE: we sent a Close frame. PEER_CLOSE: theirs came, ours is out by now. FAIL: the peer broke the protocol; our Close
says how. In ENDING our half of the stream is over and what comes is dropped. PEER_END: the peer's half is over.
CLOSING and ENDING last `close_timeout`, then the stream is reset.

A PEER_CLOSE or FAIL behind messages waits until the application has taken them and asks for more, at most a second:
what it answers to them still goes out.

Credit: what comes is granted at once while no message waits; else when the application has taken them. Above a bound
of waiting messages nothing more is parsed, so that compressed ones do not inflate without anybody to take them.
"""

from __future__ import annotations

from typing import NamedTuple

from appserver.contract import Reset, Stream
from appserver.ws.closing import ABNORMAL, INTERNAL_ERROR, close_payload
from appserver.ws.codec import CLOSE, PING, PONG, FrameReader, write_frame
from appserver.ws.deflate import Agreement, Deflater, DeflateSettings, Inflater

__all__ = ["CLOSED", "CLOSING", "ENDING", "OPEN", "Session", "SessionSettings"]

OPEN = 0
CLOSING = 1
ENDING = 2
CLOSED = 3

# What happens to a session.
_CLOSE = 0
_PEER_CLOSE = 1
_FAIL = 2
_PEER_END = 3
_LOSS = 4

STAY = -1
MOVES: tuple[tuple[int, ...], ...] = (
    # CLOSE,  PEER_CLOSE, FAIL,   PEER_END, LOSS
    (CLOSING, ENDING,     ENDING, CLOSED,   CLOSED),  # OPEN
    (STAY,    ENDING,     ENDING, CLOSED,   CLOSED),  # CLOSING
    (STAY,    STAY,       STAY,   CLOSED,   CLOSED),  # ENDING
    (STAY,    STAY,       STAY,   STAY,     STAY),    # CLOSED
)  # fmt: skip

_OPEN = 0
_CLOSING = 1
_ENDING = 2
_CLOSED = 3
_NOTHING = 0
_BINARY = 2
_PING = 9
_PONG = 10

# Messages that wait for the application: with so many, or of that size, nothing more is parsed.
MAX_WAITING = 64
MAX_WAITING_SIZE = 262_144
MESSAGE_OVERHEAD = 64
# Seconds that a peer's end waits for the application to take the messages before it.
MAX_END_DELAY = 1.0
# Shorter messages are sent as they are: compressing them costs more than it saves.
SMALLEST_COMPRESSED = 64


class SessionSettings(NamedTuple):
    """What each session keeps to; seconds, 0: never. `deflate` is None if compression is never agreed to."""

    max_message: int = 16_777_216
    ping_interval: float = 20.0
    ping_timeout: float = 20.0
    close_timeout: float = 10.0
    deflate: DeflateSettings | None = None


class Session:
    """Frames in, messages out, and the other way; its owner looks at it after each call.

    `messages` wait for the application, str or bytes; take them with `take`. `state` is one of OPEN to CLOSED; out of
    OPEN, `code` and `reason` are what the application is told.
    """

    __slots__ = (
        "_deflater", "_end_found", "_end_found_at", "_heard", "_input_ended", "_owed", "_ping_sent", "_pinged_at", "_pong",
        "_reader", "_rest", "_settings", "_since", "_stream", "_waiting_size", "code", "messages", "reason", "state",
    )  # fmt: skip

    def __init__(self, stream: Stream, settings: SessionSettings, agreement: Agreement | None, now: float) -> None:
        self._stream = stream
        self._settings = settings
        level = 0 if settings.deflate is None else settings.deflate.level
        self._deflater = None if agreement is None else Deflater(agreement, level)
        self._reader = FrameReader(settings.max_message, None if agreement is None else Inflater(agreement))
        self.state: int = OPEN
        self.code: int = ABNORMAL
        self.reason: str = ""
        self.messages: list[str | bytes] = []
        self._waiting_size: int = 0
        self._rest: list[bytes] = []
        self._owed: int = 0
        self._input_ended = False
        # The reader has found the end, which waits for the application since then.
        self._end_found = False
        self._end_found_at: float = 0.0
        # The last ping of a peer that could not be answered, and our own.
        self._pong: bytes | None = None
        self._pinged_at: float = now
        self._ping_sent = False
        self._heard = False
        self._since: float = now

    def _move(self, event: int) -> bool:
        """Go where the table says; tell whether that is another state."""
        state = MOVES[self.state][event]
        if state == STAY:
            return False
        self.state = state
        return True

    # From the peer

    def receive(self, data: bytes) -> None:
        """Take bytes of the stream."""
        self._heard = True
        self._owed += len(data)
        if self._rest:
            self._rest.append(data)
        else:
            self._parse(data)
        self._settle()

    def end_input(self) -> None:
        """The peer ends its half of the stream."""
        self._input_ended = True
        self._settle()

    def lose(self) -> None:
        """The stream is gone."""
        self._rest.clear()
        self.conclude()
        self._move(_LOSS)

    def relieve(self) -> None:
        """There is room again for what could not be sent: the answer to the last ping."""
        pong = self._pong
        if pong is not None:
            self._pong = None
            self._answer_ping(pong)

    def _parse(self, data: bytes) -> None:
        reader = self._reader
        size = len(data)
        at = 0
        while at < size and self.state < _ENDING and not self._end_found:
            if self.state == _OPEN and (self._waiting_size >= MAX_WAITING_SIZE or len(self.messages) >= MAX_WAITING):
                self._rest.append(data[at:])
                return
            at = reader.read(data, at)
            kind = reader.kind
            if kind == _NOTHING:
                if reader.code:
                    self._end_found = True
            elif kind <= _BINARY:
                if self.state == _OPEN:
                    payload = reader.payload
                    self.messages.append(payload)
                    self._waiting_size += len(payload) + MESSAGE_OVERHEAD
            elif kind == _PING:
                self._answer_ping(reader.payload)
            elif kind != _PONG:
                self._end_found = True
        if self._end_found and (self.state != _OPEN or not self.messages):
            self.conclude()

    def conclude(self) -> None:
        """Do what a Close frame or a fault of the peer asks for, if one was found."""
        if self._end_found:
            self._end_found = False
            reader = self._reader
            if reader.code:
                self.fail(reader.code, reader.reason)
            else:
                self._close_by_peer(reader.close_code, reader.close_reason)
            self._settle()

    def _parse_rest(self) -> None:
        rest = self._rest
        if rest:
            self._rest = []
            self._parse(b"".join(rest))
        self._settle()

    def _settle(self) -> None:
        """Give credit, unless the application has to take messages first; then the peer's end may be seen."""
        if self.state == _OPEN and (self.messages or self._rest or self._end_found):
            return
        if self._owed:
            owed = self._owed
            self._owed = 0
            self._stream.grant(owed)
        if self._input_ended:
            self._end_by_peer()

    def _answer_ping(self, payload: bytes) -> None:
        if self.state != _OPEN:
            return
        if self._stream.writable:
            self._stream.write(write_frame(PONG, payload, False), False)
        else:
            # RFC 6455 5.5.3: only the last one need be answered.
            self._pong = payload

    def _close_by_peer(self, code: int, reason: str) -> None:
        was_open = self.state == _OPEN
        if self._move(_PEER_CLOSE):
            if was_open:
                self._tell(code, reason)
                self._stream.write(write_frame(CLOSE, close_payload(code), False), True)
            else:
                self._stream.write(b"", True)

    def _end_by_peer(self) -> None:
        was_over = self.state == _ENDING
        if self._move(_PEER_END) and not was_over:
            self._stream.write(b"", True)

    def _tell(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason

    # From the application

    def take(self) -> str | bytes:
        """Return the message that waits longest; when the last is taken the peer may send more."""
        message = self.messages.pop(0)
        self._waiting_size -= len(message) + MESSAGE_OVERHEAD
        if not self.messages:
            self._parse_rest()
        return message

    def send(self, opcode: int, payload: bytes) -> None:
        """Send a message."""
        if self.state != _OPEN:
            return
        deflater = self._deflater
        if deflater is not None and len(payload) >= SMALLEST_COMPRESSED:
            self._stream.write(write_frame(opcode, deflater.deflate(payload), True), False)
        else:
            self._stream.write(write_frame(opcode, payload, False), False)

    def close(self, code: int, reason: str) -> None:
        """Begin to close: the peer is to answer. `code` is one that may be sent, `reason` at most 123 bytes of UTF-8."""
        if self._move(_CLOSE):
            self._tell(code, reason)
            self._stream.write(write_frame(CLOSE, close_payload(code, reason.encode()), False), False)
            # What waited behind the messages: theirs may be in it.
            self.conclude()
            self._parse_rest()

    def fail(self, code: int, reason: str) -> None:
        """Say what the peer did wrong, and take nothing more (RFC 6455 7.1.7)."""
        was_open = self.state == _OPEN
        if self._move(_FAIL):
            if was_open:
                self._tell(code, reason)
                self._stream.write(write_frame(CLOSE, close_payload(code, reason.encode()), False), True)
            else:
                self._stream.write(b"", True)

    # The clock

    def tick(self, now: float) -> None:
        """Check what is due; called about once a second."""
        if self.state == _OPEN:
            self._since = now
            if self._end_found:
                if not self._end_found_at:
                    self._end_found_at = now
                elif now - self._end_found_at >= MAX_END_DELAY:
                    self.conclude()
            elif self._settings.ping_interval:
                self._keep_alive(now)
        elif self.state < _CLOSED and now - self._since >= self._settings.close_timeout:
            self._move(_LOSS)
            self._stream.reset(Reset.CANCEL)

    def _keep_alive(self, now: float) -> None:
        if self._ping_sent and (self._heard or self.messages):
            # Any byte shows that the peer is there; while messages wait its pong may not even be read.
            self._ping_sent = False
        timeout = self._settings.ping_timeout
        if self._ping_sent:
            if timeout and now - self._pinged_at >= timeout:
                self.fail(INTERNAL_ERROR, "no pong in time")
                self._parse_rest()
        elif now - self._pinged_at >= self._settings.ping_interval and self._stream.writable:
            self._pinged_at = now
            self._ping_sent = True
            self._heard = False
            self._stream.write(write_frame(PING, b"", False), False)
