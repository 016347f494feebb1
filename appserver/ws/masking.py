# cython: boundscheck=False, wraparound=False
"""The masking of payloads (RFC 6455 5.3)."""

from __future__ import annotations

from typing import Any

__all__ = ["unmask"]

# Compiled, a loop over the bytes is vector instructions; in Python one large integer is quickest.
COMPILED = not __file__.endswith(".py")


def unmask(data: bytes, at: int, stop: int, key: bytes, offset: int) -> bytes:
    """Return `data[at:stop]` unmasked by the four bytes `key`; so many bytes of its frame came before: `offset`."""
    size = stop - at
    if COMPILED and size > 1:
        # A slice of characters is always a copy, which nobody else has seen.
        characters: Any = data
        result: bytes = characters[at:stop]
        text: Any = result
        mask = key
        k0 = mask[offset & 3]
        k1 = mask[(offset + 1) & 3]
        k2 = mask[(offset + 2) & 3]
        k3 = mask[(offset + 3) & 3]
        whole = size & ~3
        for index in range(0, whole, 4):
            text[index] ^= k0
            text[index + 1] ^= k1
            text[index + 2] ^= k2
            text[index + 3] ^= k3
        for index in range(whole, size):
            text[index] ^= mask[(offset + index) & 3]
        return result
    if size == 0:
        return b""
    turned = key[offset & 3 :] + key[: offset & 3]
    pattern = (turned * (size // 4 + 1))[:size]
    masked = int.from_bytes(data[at:stop], "little") ^ int.from_bytes(pattern, "little")
    return masked.to_bytes(size, "little")
