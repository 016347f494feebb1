"""What an application and a client of a running worker can tell each other, over both protocols."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import pytest

from tests.live.conftest import Talk
from tests.support.clients import Answer, Http1

BIG = 20 * 2**20


def digest(body: bytes) -> dict[str, Any]:
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


# The scope


def test_the_scope_is_that_of_the_request(talk: Talk) -> None:
    answer = talk.ask("GET", "/scope?a=b%20c", [("x-one", "1"), ("x-one", "2")])
    scope = json.loads(answer.body)
    assert {key: scope[key] for key in ("type", "http_version", "method", "scheme", "path", "root_path")} == {
        "type": "http", "http_version": talk.version, "method": "GET", "scheme": "http", "path": "/scope", "root_path": "",
    }  # fmt: skip
    assert (scope["raw_path"], scope["query_string"]) == ("b'/scope'", "b'a=b%20c'")
    assert scope["headers"] == [["host", "a.test"], ["x-one", "1"], ["x-one", "2"]]
    assert (scope["client"][0], scope["server"]) == ("127.0.0.1", ["127.0.0.1", talk.server.port])
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}


def test_each_request_has_its_own_copy_of_the_state(talk: Talk) -> None:
    with talk.new() as client:
        states = [json.loads(client.ask("GET", "/scope").body)["state"] for _ in range(2)]
    assert states == [{"made": "at startup", "shared": []}] * 2


# Bodies of requests


@pytest.mark.parametrize("size", [0, 1, 65_535, 300_000])
def test_a_body_with_a_length(talk: Talk, size: int) -> None:
    body = random.Random(size).randbytes(size)
    assert json.loads(talk.ask("POST", "/digest", [("content-length", str(size))], body=body).body) == digest(body)


def test_a_body_without_a_length(talk: Talk) -> None:
    body = random.Random(1).randbytes(100_000)
    if talk.protocol is Http1:
        answer = talk.ask("POST", "/digest", [("transfer-encoding", "chunked")], body=chunked(body[:10], body[10:]))
    else:
        answer = talk.ask("POST", "/digest", body=body)
    assert json.loads(answer.body) == digest(body)


def test_no_body(talk: Talk) -> None:
    assert json.loads(talk.ask("GET", "/digest").body) == digest(b"")


def test_twenty_megabytes_up(talk: Talk) -> None:
    body = random.Random(2).randbytes(BIG)
    assert json.loads(talk.ask("POST", "/digest", body=body).body) == digest(body)


def test_twenty_megabytes_down(talk: Talk) -> None:
    answer = talk.ask("GET", "/stream?size=65536&parts=320")
    assert answer.whole
    assert digest(answer.body) == digest(bytes(range(256)) * (BIG // 256))


def test_a_body_streams_both_ways_at_once(h2: Talk) -> None:
    with h2.new() as client:
        stream = client.open("POST", "/echo", end=False)
        for piece in (b"one", b"two", b"three"):
            client.send(client.client.data(stream.id, piece))
            client.read_until(lambda piece=piece: stream.answer.body.endswith(piece))
        client.send(client.client.data(stream.id, b"", end=True))
        assert client.answer(stream).body == b"onetwothree"


def test_a_chunked_body_streams_both_ways_at_once(h1: Talk) -> None:
    with h1.new() as client:
        client.request("POST", "/echo", [("transfer-encoding", "chunked")])
        client.send(b"3\r\none\r\n")
        assert client.take_until(b"3\r\none\r\n")
        client.send(b"3\r\ntwo\r\n")
        assert client.take_until(b"3\r\ntwo\r\n") == b""
        client.send(b"0\r\n\r\n")
        assert client.take_until(b"0\r\n\r\n") == b""


def test_a_request_behind_an_ignored_body_is_understood(talk: Talk) -> None:
    with talk.new() as client:
        answers = [client.ask("POST", "/ignore", body=b"GET /wrong HTTP/1.1\r\n\r\n" * 100) for _ in range(3)]
        assert [answer.body for answer in answers] == [b"ignored"] * 3
        assert client.ask("GET", "/hello").body == b"hello"


def test_a_large_ignored_body_ends_the_stream_and_nothing_else(h2: Talk) -> None:
    with h2.new() as client:
        stream = client.open("POST", "/ignore", [("content-length", "1000000")], end=False)
        answer = client.answer(stream)
        assert (answer.status, answer.body) == (200, b"ignored")
        client.read_until(lambda: answer.reset is not None)  # after timeout.discard
        assert answer.reset == 0  # RFC 9113 8.1: NO_ERROR, and the answer counts
        assert client.ask("GET", "/hello").body == b"hello"


# Bodies of answers


def test_a_streamed_answer_comes_part_by_part(talk: Talk) -> None:
    answer = talk.ask("GET", "/stream?parts=5&pause=5")
    assert (answer.status, answer.size, answer.whole) == (200, 5 * 256, True)


def test_head_is_answered_without_a_body(talk: Talk) -> None:
    with talk.new() as client:
        answer = client.ask("HEAD", "/hello")
        assert (answer.status, answer["content-length"], answer.body, answer.whole) == (200, "5", b"", True)
        assert client.ask("HEAD", "/stream?parts=100&size=65536").body == b""
        assert client.ask("GET", "/hello").body == b"hello"


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("more", ["", "&length=4", "&empty=1"])
def test_a_status_that_has_no_body_gets_none(talk: Talk, status: int, more: str) -> None:
    with talk.new() as client:
        answer = client.ask("GET", f"/status?status={status}{more}")
        assert (answer.status, answer.body, answer.whole) == (status, b"", True)
        # RFC 9110 8.6: no Content-Length with 204; with 304 it says what a 200 would have had.
        assert answer["content-length"] == ("4" if status == 304 and "length" in more else "")
        assert client.ask("GET", "/hello").body == b"hello"


@pytest.mark.parametrize("status", [200, 206, 299, 404, 418, 599, 799])
def test_any_final_status(talk: Talk, status: int) -> None:
    answer = talk.ask("GET", f"/status?status={status}")
    assert (answer.status, answer.body) == (status, b"body")


def test_bytes_like_values(talk: Talk) -> None:
    answer = talk.ask("GET", "/bytes-like")
    assert (answer["x-like"], answer.body) == ("bytes", b"one two")


def test_many_fields(talk: Talk) -> None:
    answer = talk.ask("GET", "/fields?count=200&size=100")
    assert len([name for name, _ in answer.fields if name.startswith("x-")]) == 200


@pytest.mark.parametrize(("count", "size"), [(1, 60_000), (10, 7_000), (20, 4_000)])
def test_large_fields_arrive_or_fail_their_request_alone(talk: Talk, count: int, size: int) -> None:
    with talk.new() as client:
        answer = client.ask("GET", f"/fields?count={count}&size={size}")
        assert answer.reset is not None or answer.status == 500 or (answer.body, answer["x-0"]) == (b"fields", "v" * size)
        assert client.ask("GET", "/hello").body == b"hello"


def test_an_early_hint(talk: Talk) -> None:
    answer = talk.ask("GET", "/early")
    assert answer.informed == [(103, [("link", "</style.css>; rel=preload")])]
    assert (answer.status, answer.body) == (200, b"late")


def test_trailers_for_who_wants_them(talk: Talk) -> None:
    with talk.new() as client:
        answer = client.ask("GET", "/trailers?parts=3", [("te", "trailers")])
        assert (answer.body, answer.trailers) == (b"part 0\npart 1\npart 2\n", [("x-sum", "abc")])
        assert client.ask("GET", "/trailers", [("te", "trailers")]).trailers == [("x-sum", "abc")]


def test_no_trailers_for_who_does_not_ask(talk: Talk) -> None:
    with talk.new() as client:
        answer = client.ask("GET", "/trailers")
        assert (answer.body, answer.trailers, answer.whole) == (b"part 0\n", [], True)
        assert client.ask("GET", "/hello").body == b"hello"


def test_many_trailers(talk: Talk) -> None:
    with talk.new() as client:
        answer = client.ask("GET", "/trailers?more=99", [("te", "trailers")])
        assert (answer.status, len(answer.trailers)) == (200, 100)
        assert client.ask("GET", "/hello").body == b"hello"


def test_head_of_an_answer_with_trailers(talk: Talk) -> None:
    with talk.new() as client:
        answer = client.ask("HEAD", "/trailers", [("te", "trailers")])
        assert (answer.status, answer.body, answer.whole) == (200, b"", True)
        assert client.ask("GET", "/hello").body == b"hello"


# Expect: 100-continue


def expecting(client: Any, path: str) -> Any:
    fields = [("expect", "100-continue"), ("content-length", "4")]
    if isinstance(client, Http1):
        return client.request("POST", path, fields)
    return client.open("POST", path, fields, end=False)


def answer_of(client: Any, stream: Any) -> Answer:
    answer: Answer = client.answer("POST") if stream is None else client.answer(stream)
    return answer


def test_continue_is_said_when_the_application_reads(talk: Talk) -> None:
    with talk.new() as client:
        stream = expecting(client, "/digest")
        if stream is None:
            assert client.take_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
            client.send(b"body")
        else:
            client.read_until(lambda: stream.answer.informed == [(100, [])])
            client.upload(stream, b"body")
        assert json.loads(answer_of(client, stream).body) == digest(b"body")


def test_continue_is_not_said_to_a_body_that_nobody_reads(talk: Talk) -> None:
    with talk.new() as client:
        answer = answer_of(client, expecting(client, "/ignore"))
        assert (answer.status, answer.body, answer.informed) == (200, b"ignored", [])


def test_continue_is_not_said_once_the_body_is_there(talk: Talk) -> None:
    fields, held = [("expect", "100-continue"), ("content-length", "4")], list[bytes]()
    with talk.new() as client, pytest.MonkeyPatch.context() as cork:
        cork.setattr(client, "send", lambda *pieces: held.extend(pieces))  # head and body in one segment
        if isinstance(client, Http1):
            client.request("POST", "/digest", fields, b"body")
            cork.undo()
            client.send(*held)
            answer = client.answer()
        else:
            stream = client.open("POST", "/digest", fields, end=False)
            client.upload(stream, b"body")
            cork.undo()
            client.send(*held)
            answer = client.answer(stream)
        assert (json.loads(answer.body), answer.informed) == (digest(b"body"), [])


# Many at once


def test_pipelined_requests_are_answered_in_order(h1: Talk) -> None:
    with h1.new() as client:
        for n, pause in enumerate((30, 10, 0, 20)):
            client.request("GET", f"/slow?ms={pause}&id=pipeline{n}")
        assert [client.answer().text for _ in range(4)] == [f"pipeline{n}" for n in range(4)]


def test_streams_are_answered_as_they_are_ready(h2: Talk) -> None:
    with h2.new() as client:
        slow = client.open("GET", "/gate?gate=in-any-order")
        quick = [client.open("GET", f"/slow?ms=1&id=quick{n}") for n in range(50)]
        assert [client.answer(stream).text for stream in quick] == [f"quick{n}" for n in range(50)]
        assert not slow.over
        client.open("GET", "/open?gate=in-any-order")
        assert client.answer(slow).text == "through"


def test_a_half_closed_connection_is_still_answered(h1: Talk) -> None:
    with h1.new() as client:
        client.request("GET", "/slow?ms=50&id=half")
        client.half_close()
        assert client.answer().text == "half"
        assert client.is_closed()


def test_forwarding_fields_that_are_not_believed_are_not_seen(talk: Talk) -> None:
    """127.0.0.1 is trusted by default; it is believed what for and proto say, and nothing else of it is handed on."""
    sent = [
        ("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.test"),
        ("x-forwarded-prefix", "/evil"), ("x_forwarded_for", "192.0.2.8"), ("forwarded", "for=192.0.2.9"), ("x-mine", "1"),
    ]  # fmt: skip
    scope = json.loads(talk.ask("GET", "/scope", sent).body)

    assert (scope["client"][0], scope["scheme"], scope["root_path"]) == ("192.0.2.7", "https", "")
    names = {name for name, _ in scope["headers"]}
    assert names >= {"x-forwarded-for", "x-forwarded-proto", "x-mine"}
    assert names.isdisjoint({"x-forwarded-host", "x-forwarded-prefix", "x_forwarded_for", "forwarded"})
    assert "evil.test" not in dict(scope["headers"])["host"]
