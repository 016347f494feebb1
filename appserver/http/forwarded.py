# cython: boundscheck=False, wraparound=False
"""One entry of X-Forwarded-For: an address and a port. Pure: whom to believe is `net.peer`'s.

The grammar is what proxies write: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
"""

from __future__ import annotations

from appserver.http.grammar import HEX_VALUES, parse_port

__all__ = ["MAX_HOPS", "Hop"]

MAX_HOPS = 100
"""More hops than any chain of proxies has; the rest of a longer list is not looked at."""

HEX_TABLE = HEX_VALUES
_TAB, _SPACE, _PERCENT, _DOT, _ZERO, _NINE, _COLON, _OPEN, _CLOSE = b"\t %.09:[]"


class Hop:
    """One address as numbers: an IPv4 address is `low`, an IPv6 address `high` and `low`, 64 bits each.

    An IPv4-mapped IPv6 address is the IPv4 address that it maps. One `Hop` serves for many entries.
    """

    __slots__ = ("_text_start", "_text_stop", "_value", "high", "is_ipv4", "low", "port")

    def __init__(self) -> None:
        self._value = b""
        self._text_start: int = 0
        self._text_stop: int = 0
        self.high: int = 0
        self.is_ipv4 = True
        self.low: int = 0
        self.port: int = 0

    def parse(self, value: bytes, start: int, stop: int) -> bool:
        """Read the entry between two places of a list, blanks around it ignored; tell whether it is an address."""
        text = value
        while start < stop and (text[start] == _SPACE or text[start] == _TAB):
            start += 1
        while start < stop and (text[stop - 1] == _SPACE or text[stop - 1] == _TAB):
            stop -= 1
        if start == stop:
            return False
        self._value = value
        self.port = 0
        if text[start] == _OPEN:
            return self._parse_bracketed(text, start + 1, stop)
        colon = start
        while colon < stop and text[colon] != _COLON:
            colon += 1
        if colon == stop:
            return self._parse_ipv4(text, start, stop)
        other = colon + 1
        while other < stop and text[other] != _COLON:
            other += 1
        if other < stop:
            return self._parse_ipv6(text, start, stop)
        self.port = parse_port(value, colon + 1, stop)
        return self.port >= 0 and self._parse_ipv4(text, start, colon)

    def address(self) -> tuple[str, int]:
        """Return the text of the address, as `ipaddress` prints it, and the port (0: none)."""
        if not self.is_ipv4:
            return self._format_ipv6(), self.port
        if self._text_stop:
            return self._value[self._text_start : self._text_stop].decode("ascii"), self.port
        low = self.low
        return f"{low >> 24}.{low >> 16 & 255}.{low >> 8 & 255}.{low & 255}", self.port

    def _parse_bracketed(self, value: bytes, start: int, stop: int) -> bool:
        end = start
        while end < stop and value[end] != _CLOSE:
            end += 1
        if end == stop:
            return False
        if end + 1 < stop:
            if value[end + 1] != _COLON:
                return False
            self.port = parse_port(value, end + 2, stop)
        return self.port >= 0 and self._parse_ipv6(value, start, end)

    def _parse_ipv4(self, value: bytes, start: int, stop: int) -> bool:
        """Read four decimal octets without leading zeros, which some read as octal."""
        address = 0
        octets = 0
        at = start
        while True:
            first = at
            octet = 0
            while at < stop and value[at] >= _ZERO and value[at] <= _NINE:
                octet = octet * 10 + value[at] - _ZERO
                at += 1
                if at - first > 3:
                    return False
            if at == first or octet > 255 or (value[first] == _ZERO and at - first > 1):
                return False
            address = address << 8 | octet
            octets += 1
            if octets == 4 or at == stop or value[at] != _DOT:
                break
            at += 1
        self.is_ipv4 = True
        self.high = 0
        self.low = address
        self._text_start = start
        self._text_stop = stop
        return octets == 4 and at == stop

    def _parse_ipv6(self, value: bytes, start: int, stop: int) -> bool:
        """Read eight groups of hexadecimal digits, `::` once for any number of zeros, the last two perhaps as IPv4."""
        gap = -1
        groups = 0
        last = start
        for at in range(start, stop):
            if value[at] == _COLON:
                last = at + 1
                if last < stop and value[last] == _COLON:
                    if gap >= 0:
                        return False
                    gap = at
            elif at == last:
                groups += 1
        if stop - start < 2 or (value[start] == _COLON and gap != start) or (value[stop - 1] == _COLON and gap != stop - 2):
            return False
        tail = 0
        is_dotted = stop - last > 6 and self._parse_ipv4(value, last, stop)
        if is_dotted:
            tail = self.low
            groups += 1
        if groups > 7 if gap >= 0 else groups != 8:
            return False
        self._text_stop = stop if is_dotted else 0
        self.is_ipv4 = False
        self.high = 0
        self.low = tail
        if not self._parse_groups(value, start, last if is_dotted else stop, gap, 8 - groups):
            return False
        if self.high == 0 and self.low >> 32 == 0xFFFF:
            self.is_ipv4 = True
            self.low &= 0xFFFFFFFF
        return True

    def _parse_groups(self, value: bytes, start: int, stop: int, gap: int, zeros: int) -> bool:
        group = 0
        index = 0
        digits = 0
        for at in range(start, stop):
            digit = HEX_TABLE[value[at]]
            if digit < 16:
                group = group << 4 | digit
                digits += 1
                if digits > 4:
                    return False
                if at + 1 < stop and value[at + 1] != _COLON:
                    continue
                if index < 4:
                    self.high |= group << (48 - 16 * index)
                else:
                    self.low |= group << (112 - 16 * index)
                index += 1
                group = 0
                digits = 0
            elif value[at] != _COLON:
                return False
            elif at == gap:
                index += zeros
        return True

    def _format_ipv6(self) -> str:
        """Spell the address as RFC 5952 does: the first of the longest runs of zeros, two groups or more, is `::`."""
        best = 0
        best_size = 1
        size = 0
        for index in range(8):
            size = size + 1 if self._group(index) == 0 else 0
            if size > best_size:
                best_size = size
                best = index - size + 1
        text = bytearray()
        index = 0
        while index < 8:
            if best_size > 1 and index == best:
                text += b"::"
                index += best_size
                continue
            if index and not (best_size > 1 and index == best + best_size):
                text.append(_COLON)
            _append_hex(text, self._group(index))
            index += 1
        return text.decode("ascii")

    def _group(self, index: int) -> int:
        if index < 4:
            return self.high >> (48 - 16 * index) & 0xFFFF
        return self.low >> (112 - 16 * index) & 0xFFFF


def _append_hex(text: bytearray, group: int) -> None:
    digits = False
    for shift in (12, 8, 4, 0):
        digit = group >> shift & 15
        if digit or digits or shift == 0:
            digits = True
            text.append(48 + digit if digit < 10 else 87 + digit)
