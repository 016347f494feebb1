"""Answers of the server and of applications: Date, Server, refusals, the observer."""

from __future__ import annotations

import ast
import re
from email.utils import parsedate_to_datetime

import pytest

import appserver.http.answer as module
from appserver.contract import Fields
from appserver.errors import error_of
from appserver.http.answer import AnswerContext
from tests.house.source import ROOT
from tests.support.asgi import Watcher, make_request
from tests.support.plain import plain
from tests.support.streams import RecordingStream

TYPE = (b"content-type", b"text/plain; charset=utf-8")


# Date, Server


def test_date_is_renewed_by_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    source = plain(module.__name__)
    monkeypatch.setattr(source, "http_date", lambda seconds: "Tue, 03 Nov 2026 06:02:18 GMT")
    answers = source.AnswerContext()
    assert answers.date == (b"date", b"Tue, 03 Nov 2026 06:02:18 GMT")
    monkeypatch.setattr(source, "http_date", lambda seconds: "Tue, 03 Nov 2026 06:02:19 GMT")

    answers.tick()

    assert answers.date == (b"date", b"Tue, 03 Nov 2026 06:02:19 GMT")


def test_date_is_an_imf_fixdate() -> None:
    date = AnswerContext().date
    assert date is not None
    assert date[1].endswith(b" GMT")
    assert parsedate_to_datetime(date[1].decode()).tzinfo is not None


def test_date_may_be_switched_off() -> None:
    answers = AnswerContext(has_date=False)
    answers.tick()

    assert answers.date is None
    assert answers.fields() == []


def test_server_is_a_field_only_if_it_is_named() -> None:
    assert AnswerContext().server is None
    assert AnswerContext(server="lasthop").server == (b"server", b"lasthop")


# The server's own answers


def refusal(status: int, text: bytes, more: Fields) -> list[object]:
    fields = [*more, TYPE, (b"content-length", b"%d" % len(text))]
    return [("respond", status, fields, False), ("write", text, True)]


@pytest.mark.parametrize(
    ("status", "text"),
    [(400, b"400 Bad Request\n"), (408, b"408 Request Timeout\n"), (431, b"431 Request Header Fields Too Large\n"),
     (501, b"501 Not Implemented\n"), (503, b"503 Service Unavailable\n")],
)  # fmt: skip
def test_a_refusal_is_a_whole_answer_and_in_the_access_log(status: int, text: bytes) -> None:
    watcher, stream = Watcher(), RecordingStream()
    answers = AnswerContext(server="lasthop", observer=watcher)

    answers.refuse(stream, make_request(), status, 0.5)

    assert answers.date is not None
    assert stream.said == refusal(status, text, [answers.date, (b"server", b"lasthop")])
    assert watcher.done == [(status, len(text))]


def test_a_refusal_has_no_date_where_that_is_switched_off() -> None:
    stream = RecordingStream()
    AnswerContext(has_date=False).refuse(stream, make_request(), 400)

    assert stream.said == refusal(400, b"400 Bad Request\n", [])


def test_a_refusal_of_head_has_no_body() -> None:
    watcher, stream = Watcher(), RecordingStream()
    AnswerContext(has_date=False, observer=watcher).refuse(stream, make_request(method="HEAD"), 400)

    assert stream.said == [("respond", 400, [TYPE, (b"content-length", b"16")], True)]
    assert watcher.done == [(400, 0)]


def test_the_server_gives_only_answers_that_are_in_the_tree_of_errors() -> None:
    stream = RecordingStream()
    with pytest.raises(KeyError):
        AnswerContext(has_date=False).answer(stream, make_request(), 418)

    assert stream.said == []


def test_an_answer_without_the_observer() -> None:
    watcher, stream = Watcher(), RecordingStream()
    answers = AnswerContext(has_date=False, observer=watcher)

    assert answers.answer(stream, make_request(), 503) == len(b"503 Service Unavailable\n")
    assert stream.ended
    assert watcher.done == []


def test_each_status_that_the_code_refuses_with_is_in_the_tree() -> None:
    found = set()
    for path in (ROOT / "appserver").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and re.search(r"(fail|refuse\w*|answer|cut)$", ast.unparse(node.func)):
                numbers = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                found |= {number for number in numbers if isinstance(number, int) and 400 <= number <= 599}

    assert found >= {400, 413, 414, 431}
    for status in found:
        assert error_of(status).status == status
