"""The field names that have rules of their own; every other one is plain. The list is closed: no peer adds to it."""

from __future__ import annotations

__all__ = ["KINDS", "PROTECTED"]

# Fresh fields of the first five are taken as they are; what follows is judged into a `Field` first.
PLAIN = 0
COOKIE = 1
FORWARDED_FOR = 2
FORWARDED_PROTO = 3
FORWARDED = 4  # the others of their kind: `forwarding` reads them
HOST = 5
CONTENT_LENGTH = 6
CONTENT_TYPE = 7
EXPECT = 8
PRIORITY = 9
TE = 10
CONNECTION = 11
TRANSFER_ENCODING = 12
UPGRADE = 13
HOP_BY_HOP = 14
DROPPED = 15
BAD = 16
METHOD = 17
PATH = 18
SCHEME = 19
AUTHORITY = 20
PROTOCOL = 21

KINDS: dict[bytes, int] = {
    b"cookie": COOKIE,
    b"x-forwarded-for": FORWARDED_FOR,
    b"x-forwarded-proto": FORWARDED_PROTO,
    b"forwarded": FORWARDED,
    b"x-forwarded-host": FORWARDED,
    b"x-forwarded-port": FORWARDED,
    b"x-forwarded-prefix": FORWARDED,
    b"x-forwarded-server": FORWARDED,
    b"x-real-ip": FORWARDED,
    b"host": HOST,
    b"content-length": CONTENT_LENGTH,
    b"content-type": CONTENT_TYPE,
    b"expect": EXPECT,
    b"priority": PRIORITY,
    b"te": TE,
    b"connection": CONNECTION,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"keep-alive": HOP_BY_HOP,
    b"proxy-connection": HOP_BY_HOP,
    b"upgrade": UPGRADE,
    # RFC 9113 3.2.1: means nothing without an upgrade, and no application should see it.
    b"http2-settings": DROPPED,
    b":method": METHOD,
    b":path": PATH,
    b":scheme": SCHEME,
    b":authority": AUTHORITY,
    b":protocol": PROTOCOL,
}

# CGI folding makes X_Forwarded_For equal to X-Forwarded-For (CVE-2026-39858, CVE-2026-52845).
PROTECTED = frozenset(
    [
        *(name for name in KINDS if not name.startswith(b":")),
        b"authorization",
        b"proxy",
    ]
)
