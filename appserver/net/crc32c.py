"""CRC-32C (Castagnoli), as PROXY headers carry it. RFC 3720 appendix B.4."""

from __future__ import annotations

__all__ = ["crc32c"]

POLYNOMIAL = 0x82F63B78  # reflected
ONES = 0xFFFFFFFF


def _entry(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
    return value


TABLE = tuple(_entry(byte) for byte in range(256))


def crc32c(data: bytes) -> int:
    """Return the checksum of the bytes, 32 bits."""
    value, table = ONES, TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ ONES
