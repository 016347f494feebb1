"""The HPACK decoder: hpack's, with integers bounded as RFC 7541 5.1 asks.

hpack builds an integer of any length: one block of continuation bytes would cost seconds.
"""

from __future__ import annotations

import re

from hpack import Decoder, HPACKDecodingError, HPACKError, OversizedHeaderListError
from hpack.hpack import decode_integer
from hpack.struct import HeaderTuple

__all__ = ["BoundedDecoder", "HPACKError", "OversizedHeaderListError"]

# No integer of a block that fits in our frames needs more than five bytes after its prefix.
_OVERLONG = re.compile(rb".[\x80-\xff]{5}", re.DOTALL)


class BoundedDecoder(Decoder):
    """Refuses an overlong integer wherever one may stand."""

    def _decode_indexed(self, data: bytes | memoryview) -> tuple[HeaderTuple, int]:
        _integer(data, 7)
        return super()._decode_indexed(data)

    def _update_encoding_context(self, data: bytes | memoryview) -> int:
        _integer(data, 5)
        return super()._update_encoding_context(data)

    def _decode_literal(self, data: bytes | memoryview, should_index: bool) -> tuple[HeaderTuple, int]:
        name, at = _integer(data, 6 if should_index else 4)
        if not name:
            length, used = _integer(data[1:], 7)
            at = 1 + used + length
        _integer(data[at:], 7)
        return super()._decode_literal(data, should_index)


def _integer(data: bytes | memoryview, bits: int) -> tuple[int, int]:
    full = (1 << bits) - 1
    if len(data) and data[0] & full == full and _OVERLONG.match(data):
        raise HPACKDecodingError("an integer of more than five bytes")
    return decode_integer(data, bits)
