"""Dates, against the standard library's."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from appserver.http.dates import http_date


def test_the_example_of_rfc_9110() -> None:
    assert http_date(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT"


@given(st.integers(0, 253_402_300_799))
def test_any_second_is_spelled_as_email_does(seconds: int) -> None:
    assert http_date(seconds) == formatdate(seconds, usegmt=True)
