"""Interim responses: before the head, as many as one likes, and never behind it."""

from __future__ import annotations

import pytest

from tests.engines.talk import Talk
from tests.support.frames import GET, expect

LINK = [(b"link", b"</a.css>")]
HINT = expect.headers(1, [(":status", "103"), ("link", "</a.css>")])
HEAD = expect.headers(1, [(":status", "200")])


def test_each_leaves_as_it_comes(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    stream = talk.request().stream
    for _ in range(3):
        stream.inform(103, LINK)
        assert talk.heard() == [HINT]
    stream.respond(200, [], False)
    stream.write(b"ok", True)
    assert talk.heard() == [HEAD, expect.data(1, b"ok", end=True)]


def test_they_overtake_a_head_that_is_held(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    stream = talk.request().stream
    stream.inform(102, [])
    stream.respond(200, [], False)
    stream.inform(103, LINK)
    stream.write(b"ok", True)
    stream.inform(103, LINK)
    processing = expect.headers(1, [(":status", "102")])
    assert talk.heard() == [processing, HINT, HINT, HEAD, expect.data(1, b"ok", end=True)]


@pytest.mark.parametrize("written", [b"", b"o"])
def test_behind_the_head_there_is_none(talk: Talk, written: bytes) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    stream = talk.request().stream
    stream.respond(200, [], False)
    stream.write(written, False)
    talk.heard()
    stream.inform(103, LINK)
    assert talk.heard() == []
    stream.write(b"k", True)
    stream.inform(103, LINK)
    assert talk.heard() == [expect.data(1, b"k", end=True)]


def test_one_that_is_too_long_gives_up_its_stream_alone(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True), talk.client.headers(3, GET, end=True))
    talk.request(1).stream.inform(103, [(b"link", b"x" * 2_000_000)])
    talk.request(2).stream.respond(200, [], True)
    heard = talk.heard()
    assert expect.headers(3, [(":status", "200")], end=True) in heard
    assert [frame for frame in heard if getattr(frame, "stream", 0) == 1] == [expect.reset(1, 2)]


def test_after_a_reset_there_is_none(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    stream = talk.request().stream
    stream.inform(103, LINK)
    stream.reset(8)
    stream.inform(103, LINK)
    heard = talk.heard()
    assert heard[-1] == expect.reset(1, 8)
    assert heard[:-1] in ([], [HINT])
