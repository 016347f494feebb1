"""Heads that are sent to both engines, and what must become of them: the message validity table.

`verdict` is OK (begun), RESET (RST_STREAM PROTOCOL_ERROR, never begun) or the status of the engine's own
answer. Each case is one request head without a body (END_STREAM on HEADERS).
"""

from __future__ import annotations

from typing import NamedTuple

from tests.support.frames import GET, Pairs, Text, changed

__all__ = ["CASES", "OK", "RESET", "Case"]

OK = 0
RESET = 1


class Case(NamedTuple):
    name: str
    fields: Pairs
    verdict: int


def _pseudo(name: str, values: dict[str, tuple[Text | None, int]]) -> list[Case]:
    return [
        Case(f"{name}: {label}", changed(GET, **{name: value}), verdict) for label, (value, verdict) in values.items()
    ]


def _field(name: Text, values: dict[str, tuple[Text, int]]) -> list[Case]:
    return [Case(f"{name!r}: {label}", changed(GET, (name, value)), verdict) for label, (value, verdict) in values.items()]


PATHS: dict[str, tuple[Text | None, int]] = {
    "space": ("/a b", RESET),
    "tab": ("/a\tb", RESET),
    "DEL": ("/a\x7fb", RESET),
    "CR LF": ("/a\r\nb", RESET),
    "NUL": ("/a\0b", RESET),
    "leading space": (" /", RESET),
    "empty": ("", RESET),
    "relative": ("a/b", RESET),
    "absolute": ("http://a.test/", RESET),
    "query only": ("?a", RESET),
    "* with GET": ("*", RESET),
    "missing": (None, RESET),
    "fragment": ("/a#b", 400),
    "fragment in the query": ("/a?b#c", 400),
    "bytes above 0x7f": (b"/\xc3\xa4\xff", OK),
    "two slashes": ("//a", OK),
    "escaped slash": ("/a%2Fb", OK),
    "half an escape": ("/a%2", OK),
    "dots": ("/../a", OK),
    "as long as may be": ("/" + "a" * 8_189, OK),
    "one too long": ("/" + "a" * 8_190, 414),
}
METHODS: dict[str, tuple[Text | None, int]] = {
    "space": ("GE T", RESET),
    "empty": ("", RESET),
    "tab at the end": ("GET\t", RESET),
    "CR LF": ("GET\r\nX: y", RESET),
    "missing": (None, RESET),
    "no token": ("GET/", RESET),
    "unknown": ("PROPFIND", OK),
    "lower case": ("get", OK),
    "OPTIONS": ("OPTIONS", OK),
    "CONNECT with a path": ("CONNECT", 501),
}
SCHEMES: dict[str, tuple[Text | None, int]] = {
    "a whole URL": ("http://evil/x?", RESET),
    "empty": ("", RESET),
    "missing": (None, RESET),
    "space": ("ht tp", RESET),
    "https": ("https", OK),
    "ftp": ("ftp", 400),
    "upper case": ("HTTP", OK),
}
AUTHORITIES: dict[str, tuple[Text | None, int]] = {
    "empty": ("", RESET),
    "path, query and fragment": ("a/b?c#d", RESET),
    "path": ("a/b", RESET),
    "backslash": ("a\\b", RESET),
    "space": ("a b", RESET),
    "userinfo": ("u:p@a", RESET),
    "CR LF": ("a\r\nb", RESET),
    "comma": ("a,b", 400),
    "port too large": ("a:99999999", 400),
    "port above 65535": ("a:65536", 400),
    "no port number": ("a:b", 400),
    "bytes above 0x7f": (b"\xc3\xa4.test", 400),
    "port": ("a.test:8080", OK),
    "empty port": ("a.test:", OK),
    "IPv6": ("[2001:db8::1]:80", OK),
    "upper case": ("A.Test", OK),
    "missing, no host": (None, 400),
}
PSEUDO = [
    Case("host instead of :authority", changed(GET, ("host", "a.test"), authority=None), OK),
    Case("host equal to :authority", changed(GET, ("host", "a.test")), OK),
    Case("host equal but for case", changed(GET, ("host", "A.TEST")), OK),
    Case("host differs from :authority", changed(GET, ("host", "b.test")), 400),
    Case("host twice, with :authority", changed(GET, ("host", "a.test"), ("host", "a.test")), RESET),
    Case("host twice, alone", changed(GET, ("host", "a.test"), ("host", "b.test"), authority=None), RESET),
    Case("host is empty, alone", changed(GET, ("host", ""), authority=None), RESET),
    Case(":method twice", [(":method", "GET"), *GET], RESET),
    Case(":path twice", [*GET, (":path", "/")], RESET),
    Case(":scheme twice", [*GET, (":scheme", "http")], RESET),
    Case(":authority twice", [*GET, (":authority", "a.test")], RESET),
    Case("unknown pseudo field", [*GET, (":unknown", "x")], RESET),
    Case(":status in a request", [*GET, (":status", "200")], RESET),
    Case("interim :status in a request", [*GET, (":status", "100")], RESET),
    Case("pseudo field after a regular one", [*GET[:3], ("x", "1"), GET[3]], RESET),
    Case("empty pseudo field name", [*GET, (":", "x")], RESET),
    Case("no fields", [], RESET),
    Case("CONNECT", [(":method", "CONNECT"), (":authority", "a.test:443")], 501),
    Case("extended CONNECT, not websocket", [*changed(GET, method="CONNECT"), (":protocol", "connect-udp")], 501),
    Case("extended CONNECT, websocket", [*changed(GET, method="CONNECT"), (":protocol", "websocket")], 501),
    Case(":protocol without CONNECT", [*GET, (":protocol", "websocket")], RESET),
    Case("* with OPTIONS", changed(GET, method="OPTIONS", path="*"), OK),
]
HOP = [
    *_field("connection", {"close": ("close", RESET), "keep-alive": ("keep-alive", RESET), "a name": ("x-a", RESET)}),
    *_field("keep-alive", {"timeout": ("timeout=5", RESET)}),
    *_field("proxy-connection", {"keep-alive": ("keep-alive", RESET)}),
    *_field("transfer-encoding", {"chunked": ("chunked", RESET), "identity": ("identity", RESET), "": ("", RESET)}),
    *_field("upgrade", {"h2c": ("h2c", RESET)}),
    *_field("te", {"trailers": ("trailers", OK), "empty": ("", OK), "gzip": ("gzip", RESET), "both": ("trailers, gzip", RESET)}),
    *_field("http2-settings", {"dropped": ("AAMAAABkAAQAAP__", OK)}),
]
BAD_NAMES: dict[str, Text] = {
    "space": "a b",
    "space at the end": "a ",
    "colon": "a:b",
    "CR LF": "a\r\nb",
    "NUL": "a\0",
    "empty": "",
    "above 0x7f": b"\xc3\xa4",
    "upper case": "X-Upper",
    "one upper case letter": "x-uppeR",
    "parenthesis": "a(b",
    "DEL": "a\x7f",
}
NAMES = [Case(f"name: {label}", changed(GET, (name, "v")), RESET) for label, name in BAD_NAMES.items()]
VALUES = _field("x-value", {
    "CR": ("a\rb", RESET),
    "LF": ("a\nb", RESET),
    "CR LF and a field": ("a\r\nx-evil: 1", RESET),
    "NUL": ("a\0b", RESET),
    "0x01": ("a\x01b", RESET),
    "DEL": ("a\x7fb", RESET),
    "space in front": (" a", RESET),
    "space behind": ("a ", RESET),
    "tab in front": ("\ta", RESET),
    "tab behind": ("a\t", RESET),
    "space alone": (" ", RESET),
    "tab inside": ("a\tb", OK),
    "empty": ("", OK),
    "above 0x7f": (b"\xff\x80", OK),
    "as long as may be": ("v" * (16_384 - 7), OK),
    "one too long": ("v" * (16_384 - 6), 431),
})
LENGTHS = [
    Case(f"content-length: {value!r}", changed(GET, ("content-length", value)), RESET)
    for value in ("5", "+5", "5,5", "0x5", "5_0", "", "-1", str(2**64), "1" * 20, " 5", "5 ", "\u0665", "5\0", "1e3", "5.0")
] + [
    Case("content-length: 0", changed(GET, ("content-length", "0")), OK),
    Case("content-length: 00", changed(GET, ("content-length", "00")), OK),
    Case("content-length twice", changed(GET, ("content-length", "0"), ("content-length", "0")), RESET),
    Case("content-length twice, different", changed(GET, ("content-length", "0"), ("content-length", "5")), RESET),
    Case("content-type twice", changed(GET, ("content-type", "a/b"), ("content-type", "c/d")), RESET),
]
SIZES = [
    Case("100 fields", changed(GET, *((f"x-{n}", "1") for n in range(100))), OK),
    Case("101 fields", changed(GET, *((f"x-{n}", "1") for n in range(101))), 431),
    Case("256 cookie crumbs", changed(GET, *(("cookie", "a=1") for _ in range(256))), OK),
    Case("257 cookie crumbs", changed(GET, *(("cookie", "a=1") for _ in range(257))), 431),
    Case("more than 64 KiB", changed(GET, *((f"x-{n}", "v" * 16_000) for n in range(5))), 431),
]

CASES = [
    *_pseudo("path", PATHS),
    *_pseudo("method", METHODS),
    *_pseudo("scheme", SCHEMES),
    *_pseudo("authority", AUTHORITIES),
    *PSEUDO,
    *HOP,
    *NAMES,
    *VALUES,
    *LENGTHS,
    *SIZES,
]
