"""A WebSocket client's frames as bytes, wrong ones included, and what a server's bytes hold.

    frame(TEXT, b"hello")                            masked, final
    frame(TEXT, b"hel", final=False) + frame(0, b"lo")
    heard(b"...")                                    [(opcode, payload), ...] of whole frames
"""

from __future__ import annotations

__all__ = ["BINARY", "CLOSE", "KEY", "PING", "PONG", "TEXT", "closing", "frame", "handshake", "heard"]

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = b"\x11\xa2\x33\xc4"
NONCE = b"dGhlIHNhbXBsZSBub25jZQ=="


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, rsv: int = 0, mask: bytes | None = KEY, width: int | None = None
) -> bytes:
    """Return one frame; `width` 0, 2 or 8 are the bytes of an extended length, `mask` None leaves the mask out."""
    size = len(payload)
    if width is None:
        width = 0 if size < 126 else 2 if size < 65_536 else 8
    short = {0: size, 2: 126, 8: 127}[width]
    head = bytes(((0x80 if final else 0) | rsv << 4 | opcode, short | (0 if mask is None else 0x80)))
    head += size.to_bytes(width, "big") if width else b""
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))


def closing(code: int, reason: bytes = b"") -> bytes:
    """Return a client's Close frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def handshake(*fields: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    """Return a client's opening handshake; a field given here replaces the one of its name, or leaves it out if empty."""
    wanted = {
        b"host": b"a", b"connection": b"Upgrade", b"upgrade": b"websocket", b"sec-websocket-version": b"13",
        b"sec-websocket-key": NONCE,
    }  # fmt: skip
    for field in fields:
        name, _, value = field.partition(b":")
        wanted[name.lower()] = value.strip()
    lines = [b"%b: %b" % pair for pair in wanted.items() if pair[1]]
    return b"\r\n".join([b"%b /chat HTTP/%b" % (method, version), *lines, b"", b""])


def heard(data: bytes) -> list[tuple[int, bytes]]:
    """Return opcode and payload of each frame of a server; they are whole, final and not masked."""
    frames = []
    at = 0
    while at < len(data):
        assert data[at] & 0x80, "a fragment"
        assert not data[at + 1] & 0x80, "a masked frame of a server"
        size, start = data[at + 1] & 0x7F, at + 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
        assert start + size <= len(data), "half a frame"
        frames.append((data[at] & 0x4F, data[start : start + size]))
        at = start + size
    return frames
