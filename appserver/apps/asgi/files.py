r"""`http.response.pathsend` and `http.response.zerocopysend`: a file in the place of body messages.

    BODY --message--> FILE --its last byte, more_body--> BODY
                       |  \\--its last byte--> DONE, or TRAILERS
                       |-- it cannot be opened --> BODY, and send raises
                       '-- it has become shorter, cannot be read, or send is cancelled --> BROKEN

The first chunk is read with the opening and leaves with the head. Of what is long the wire sends the rest from the
page cache, where it can (`Stream.send_file`); what it has not sent is read, a chunk ahead of the client.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from appserver.apps.files import CHUNK, OpenFile
from appserver.errors import BodyTooShort, InvalidMessage, UnexpectedMessage

if TYPE_CHECKING:
    from appserver.apps.asgi.awaitables import Message
    from appserver.apps.asgi.exchange import Exchange

__all__ = ["send_descriptor", "send_path"]

# Below, two reads cost less than the way through a thread and back.
SENDFILE_FROM = 262_144


async def send_path(exchange: Exchange, message: Message) -> None:
    """Send the file of that path. Raises OSError with its name, InvalidMessage, BodyTooShort."""
    path = _path(message.get("path"))
    if exchange.sent:
        raise UnexpectedMessage("'http.response.pathsend' after http.response.body: a path is sent alone")
    if exchange.bodiless:
        exchange.end_part(b"")
        return
    file = OpenFile(exchange.host.files, path)
    try:
        await _send_part(exchange, file, 0, None, False, None)
    finally:
        file.close()


async def send_descriptor(exchange: Exchange, message: Message) -> None:
    """Send a part of an open file, from its position if no offset is given. Raises as `send_path`.

    The descriptor is the application's: it may close it as soon as this returns, or is cancelled.
    """
    source = message.get("file")
    more = bool(message.get("more_body", False))
    descriptor = _descriptor(source)
    count = _size(message, "count")
    offset = _size(message, "offset")
    if exchange.bodiless:
        if not more:
            exchange.end_part(b"")
        return
    file = OpenFile(exchange.host.files, _name(source), os.dup(descriptor))
    try:
        seek = None
        if offset is None:
            offset, seek = _position(source, descriptor)
        await _send_part(exchange, file, offset, count, more, seek)
    finally:
        file.close()


async def _send_part(
    exchange: Exchange, file: OpenFile, offset: int, count: int | None, more: bool, seek: Any
) -> None:
    exchange.begin_file()
    try:
        chunk = await file.begin(offset, CHUNK if count is None else count)
        size = max(file.size - offset, 0)
        if count is not None:
            size = min(size, count)
        if seek is not None:
            seek(offset + size)
    except BaseException:
        # Nothing of it was sent: the application may go on in its own way.
        exchange.end_file()
        raise
    await _wait_for_room(exchange)
    try:
        size = _fit(exchange, file, size, more, count is None)
        await _send_bytes(exchange, file, chunk[:size], offset, offset + size, more)
    except BaseException:
        if not exchange.is_over():
            exchange.break_off()
        raise


def _fit(exchange: Exchange, file: OpenFile, size: int, more: bool, to_its_end: bool) -> int:
    """Return how much of `size` is to be sent, by what the head has promised: no more of a file that has grown."""
    promised = exchange.remaining
    if promised < 0:
        return size
    if to_its_end:
        size = min(size, promised)
    if size < promised and not more:
        raise BodyTooShort(f"{file.name!r} has {size} bytes to send, its content-length leaves {promised}")
    return size


async def _send_bytes(exchange: Exchange, file: OpenFile, chunk: bytes, offset: int, end: int, more: bool) -> None:
    direct = end - offset - len(chunk) >= SENDFILE_FROM
    while offset + len(chunk) < end:
        if not chunk:
            raise BodyTooShort(f"{file.name!r} has become shorter: {end - offset} bytes are missing")
        exchange.write(chunk)
        exchange.burst += len(chunk)
        offset += len(chunk)
        transfer = exchange.stream.send_file(file, offset, end - offset, exchange.count_file) if direct else None
        if transfer is not None:
            offset += await transfer
            await _wait_for_room(exchange)
            direct = False
        if offset == end:
            chunk = b""
            break
        chunk = await _next_chunk(exchange, file, offset, min(CHUNK, end - offset))
    if more:
        exchange.write(chunk)
        exchange.burst += len(chunk)
        exchange.end_file()
        await exchange.wait_for_room()
    else:
        exchange.end_part(chunk)


async def _next_chunk(exchange: Exchange, file: OpenFile, offset: int, size: int) -> bytes:
    """Wait until there is room, reading meanwhile what is not at hand."""
    ahead = None
    if not exchange.stream.writable and not file.is_cached(offset + size - 1):
        ahead = file.in_thread(file.read, offset, size)
    try:
        await _wait_for_room(exchange)
        if ahead is not None:
            chunk: bytes = await ahead
        else:
            chunk = file.read_cached(offset, size) or await file.in_thread(file.read, offset, size)
    finally:
        if ahead is not None:
            ahead.cancel()
    # The client may have left while a thread was reading.
    await _wait_for_room(exchange)
    return chunk


async def _wait_for_room(exchange: Exchange) -> None:
    await exchange.wait_for_room()
    if exchange.is_over():
        raise UnexpectedMessage("the answer was ended while a file was being sent")


# What a message says


def _path(path: object) -> str | bytes:
    try:
        name: str | bytes = os.fspath(path)  # type: ignore[call-overload] # whatever it is, it says so
        wrong = b"\0" in os.fsencode(name)
    except TypeError:
        raise InvalidMessage(f"the path of a file is a string, not {type(path).__name__}") from None
    except UnicodeEncodeError:
        wrong = True
    if wrong or not name:
        raise InvalidMessage(f"no path of a file: {name!r}")
    return name


def _descriptor(file: object) -> int:
    if isinstance(file, int) and not isinstance(file, bool):
        descriptor = file
    elif isinstance(file, io.TextIOBase):
        raise InvalidMessage(f"a file is sent in bytes: open {_name(file)!r} in binary mode")
    else:
        try:
            descriptor = file.fileno()  # type: ignore[attr-defined] # as above
        except (AttributeError, OSError, ValueError) as error:
            raise InvalidMessage(f"{type(file).__name__} has no descriptor that can be sent: {error}") from None
    if descriptor < 0:
        raise InvalidMessage(f"{descriptor} is no descriptor")
    return descriptor


def _name(file: Any) -> str | bytes:
    name = getattr(file, "name", file)
    return name if isinstance(name, str | bytes) else f"descriptor {name}"


def _size(message: Message, key: str) -> int | None:
    value = message.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63):
        return value
    raise InvalidMessage(f"{key} of a file is a number of bytes, not {value!r}")


def _position(file: Any, descriptor: int) -> tuple[int, Any]:
    """Return where the file stands, and what moves it behind the bytes that are sent, as sendfile(2) does."""
    if isinstance(file, io.IOBase):
        # A buffered one stands elsewhere than its descriptor.
        return file.tell(), file.seek
    try:
        return os.lseek(descriptor, 0, os.SEEK_CUR), lambda position: os.lseek(descriptor, position, os.SEEK_SET)
    except OSError as error:
        raise InvalidMessage(f"{_name(file)!r} is not a regular file: {error.strerror}") from None
