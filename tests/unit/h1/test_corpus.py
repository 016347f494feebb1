"""Every row of the corpora, whole and split everywhere: the same requests, the same answers."""

from __future__ import annotations

import pytest

from tests.unit.h1.corpus import Case, Seen, load
from tests.unit.h1.talk import Talk

REFUSED = load("refused.txt") + load("smuggled.txt")
SERVED = load("served.txt")
NEXT = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
# Byte by byte and all two-way splits grow with the square; longer cases are split around their middle and ends.
SHORT = 400
LONG = 4_000


def seen(talk: Talk) -> list[Seen]:
    return [
        (call.request.method, call.request.target, call.body, call.trailers) for call in talk.calls if call.complete
    ]


def statuses(talk: Talk) -> list[int]:
    return [status for status, _ in talk.responses()]


def check(case: Case, talk: Talk) -> None:
    assert statuses(talk) == case.statuses
    assert talk.transport.ended is case.closes
    assert seen(talk) == case.seen


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused_once_and_nothing_behind_it_is_seen(case: Case) -> None:
    talk = Talk().say(case.data + NEXT)
    check(case, talk)
    assert all(call.answered or call.lost for call in talk.calls)
    heard = talk.heard
    talk.say(NEXT)
    assert talk.heard == heard


@pytest.mark.parametrize("case", SERVED, ids=str)
def test_is_served_as_sent(case: Case) -> None:
    talk = Talk().say(case.data)
    check(case, talk)
    assert all(call.started for call in talk.calls)


@pytest.mark.parametrize("case", [case for case in REFUSED + SERVED if len(case.data) <= LONG], ids=str)
def test_comes_byte_by_byte(case: Case) -> None:
    data = case.data + (NEXT if case in REFUSED else b"")
    whole = Talk().say(data)
    slow = Talk().say(*[data[at : at + 1] for at in range(len(data))])
    assert slow.heard == whole.heard
    assert seen(slow) == seen(whole)
    assert slow.transport.ended == whole.transport.ended


def cuts(size: int) -> list[int]:
    if size <= SHORT:
        return list(range(1, size))
    return [*range(1, 60), size // 3, size // 2, *range(size - 60, size)]


@pytest.mark.parametrize("case", REFUSED + SERVED, ids=str)
def test_comes_in_two_parts_cut_anywhere(case: Case) -> None:
    data = case.data + (NEXT if case in REFUSED else b"")
    whole = Talk().say(data)
    for cut in cuts(len(data)) if len(data) < 100_000 else [8_000, 65_000, 66_000, 90_000]:
        talk = Talk().say(data[:cut], data[cut:])
        assert talk.heard == whole.heard, cut
        assert seen(talk) == seen(whole), cut
        assert talk.transport.ended == whole.transport.ended, cut


@pytest.mark.parametrize("case", [case for case in REFUSED if len(case.data) > 9_000], ids=str)
def test_is_refused_while_it_arrives(case: Case) -> None:
    """An endless head is not waited for."""
    talk = Talk()
    for at in range(0, len(case.data), 1_000):
        talk.say(case.data[at : at + 1_000])
        if talk.transport.ended:
            break
    assert statuses(talk) == case.statuses
    assert at <= 101_000
