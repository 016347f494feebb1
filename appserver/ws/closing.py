"""Close codes (RFC 6455 7.4), those of the IANA registry included, and the payload of a Close frame."""

from __future__ import annotations

__all__ = [
    "ABNORMAL", "GOING_AWAY", "INTERNAL_ERROR", "INVALID_PAYLOAD", "MAX_REASON", "MESSAGE_TOO_BIG", "NORMAL",
    "NO_STATUS", "POLICY_VIOLATION", "PROTOCOL_ERROR", "SERVICE_RESTART", "close_payload", "is_sendable",
]  # fmt: skip

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NO_STATUS = 1005
ABNORMAL = 1006
INVALID_PAYLOAD = 1007
POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012

# Bytes: a control frame holds 125, two of them are the code (RFC 6455 5.5).
MAX_REASON = 123
# 1004 is reserved, 1005, 1006 and 1015 are never on the wire; 3000 to 3999 are for libraries, 4000 to 4999 private.
ON_THE_WIRE = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


def is_sendable(code: int) -> bool:
    """Tell whether a Close frame may hold this code."""
    return code in ON_THE_WIRE or 3000 <= code <= 4999


def close_payload(code: int, reason: bytes = b"") -> bytes:
    """Return the payload of a Close frame; empty for 1005, which means that none was given."""
    return b"" if code == NO_STATUS else code.to_bytes(2, "big") + reason[:MAX_REASON]
