"""The load generator sends what it says, and counts what comes back."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench import loadgen
from bench.apps import HELLO
from bench.load import LoadFailed
from bench.recorder import Http1Recorder, Http2Recorder, Make, Record, answer, frame
from tests.unit.bench.recording import Generator, serving

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 32
ANSWER = "--answer=13"
UNIQUE = ("x-request-id", "traceparent")


def http2(record: Record, answers: Callable[[int], bytes] = answer, settings: bytes = b"") -> Make:
    return lambda is_http2: Http2Recorder(record, answers, settings) if is_http2 else Http1Recorder(record)


def setting(identifier: int, value: int) -> bytes:
    return identifier.to_bytes(2, "big") + value.to_bytes(4, "big")


def distinct(record: Record, name: str) -> int:
    return len(record.values[name])


# ---- what it sends ----

# style -> how a field that is new, one that repeats, and one whose name HPACK does not know are written
WRITTEN = {
    "nginx": ({":path": "incremental huffman"}, {"accept": "without name huffman"}, "without name huffman"),
    "haproxy": ({":path": "incremental"}, {"accept": "incremental"}, "without name"),
    "go": ({":path": "incremental huffman"}, {"accept": "indexed"}, "incremental huffman"),
    "envoy": ({":path": "without huffman"}, {"accept": "indexed"}, "incremental huffman"),
}


@pytest.mark.parametrize("style", WRITTEN)
def test_each_style_varies_what_varies_and_writes_it_as_its_proxy_does(generator: Generator, style: str) -> None:
    record = Record()
    with serving(record) as port:
        figures = generator.figures(port, f"--style={style}", "--requests=4000", "--connections=4", ANSWER)
    assert (figures["ok"], figures["failed"], figures["data"]) == (4000, 0, 4000 * len(HELLO))
    assert (record.requests, record.connections) == (4000, 4)
    assert len(record.names) == 12
    host = "host" if style in ("nginx", "haproxy") else ":authority"
    for name in (":method", ":scheme", host, "accept", "accept-encoding"):
        assert distinct(record, name) == 1, name
    assert all(distinct(record, name) == 4000 for name in UNIQUE)
    assert distinct(record, "user-agent") == 60
    assert 1600 < distinct(record, "cookie") <= 2000
    assert all(distinct(record, name) > 3900 for name in (":path", "referer", "x-forwarded-for"))
    new, repeated, unknown = WRITTEN[style]
    assert {name: record.written[name].most_common(1)[0][0] for name in (*new, *repeated)} == new | repeated
    assert record.written["x-request-id"].most_common(1)[0][0] == unknown


def test_the_literal_styles_never_refer_to_the_dynamic_table(generator: Generator) -> None:
    record = Record()
    with serving(record) as port:
        generator.figures(port, "--style=nginx,haproxy", "--requests=500")
    total = Counter(how for written in record.written.values() for how in written.elements())
    assert total["indexed"] == 2 * record.requests  # :method and :scheme, of the static table


def test_styles_take_turns_among_connections(generator: Generator) -> None:
    record = Record()
    with serving(record) as port:
        generator.figures(port, "--style=nginx,go", "--connections=4", "--requests=400", "--streams=1")
    assert distinct(record, "host") == distinct(record, ":authority") == 1
    assert 50 < sum(record.written["host"].values()) < 350


def test_http1_sends_the_same_fields(generator: Generator) -> None:
    record = Record()
    with serving(record) as port:
        figures = generator.figures(port, "--protocol=h1", "--connections=8", "--requests=2000", ANSWER)
    assert (figures["ok"], record.requests, record.connections) == (2000, 2000, 8)
    assert record.names == [
        ":method", ":path", "host", "user-agent", "accept", "accept-encoding", "cookie", "referer", "x-forwarded-for",
        "x-request-id", "traceparent",
    ]
    assert all(distinct(record, name) == 2000 for name in UNIQUE)


def test_client_addresses_are_of_both_families(generator: Generator) -> None:
    record = Record()
    with serving(record) as port:
        generator.figures(port, "--requests=800")
    six = [value for value in record.values["x-forwarded-for"] if ":" in value]
    assert 50 < len(six) < 150


def test_paths_are_those_that_there_are_files_for(generator: Generator) -> None:
    record = Record()
    with serving(record) as port:
        generator.figures(port, "--requests=1000")
    paths = {value.partition("?")[0].removeprefix("/") for value in record.values[":path"]}
    assert len(paths) > 900
    assert paths <= set(loadgen.PATHS)


def test_the_same_number_is_the_same_request_and_another_one_is_not(generator: Generator) -> None:
    record = Record()
    with serving(record) as port:
        generator.figures(port, "--requests=300")
        generator.figures(port, "--requests=300", "--style=go")
        assert distinct(record, "traceparent") == 300
        generator.figures(port, "--requests=300", "--first=300")
        assert distinct(record, "traceparent") == 600
        generator.figures(port, "--requests=300", "--seed=2")
        assert distinct(record, "traceparent") == 900


@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_repeated_heads_are_all_the_same(generator: Generator, protocol: str) -> None:
    record = Record()
    with serving(record) as port:
        generator.figures(port, f"--protocol={protocol}", "--requests=200", "--repeat")
    assert {len(values) for values in record.values.values()} == {1}
    assert record.values[":path"] == {"/"}


@pytest.mark.parametrize("size", [0, 40, 300, 1000, 4096, 65536])
def test_the_servers_table_size_is_kept(generator: Generator, size: int) -> None:
    record = Record()

    def make(is_http2: bool) -> Http2Recorder:
        recorder = Http2Recorder(record, settings=setting(1, size))
        recorder.limit_table(size)  # the decoder refuses a larger one, and one that is not announced
        return recorder

    with serving(record, make) as port:
        figures = generator.figures(port, "--style=go,envoy", "--connections=2", "--requests=400", ANSWER)
    assert (figures["ok"], record.requests) == (400, 400)
    assert record.table_updates == (2 if size < 4096 else 0)


@pytest.mark.parametrize("options", [("--protocol=h1",), ("--style=go",), ("--style=nginx", "--streams=4")])
def test_posted_bodies_arrive_whole(generator: Generator, options: tuple[str, ...]) -> None:
    class Crediting(Http2Recorder):
        """Gives back what it has taken, and takes no more than its windows allow."""

        def on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
            out = super().on_frame(kind, flags, stream, payload)
            if kind == DATA and payload:
                assert len(payload) <= 1000, "the stream's window is 1000"
                credit = len(payload).to_bytes(4, "big")
                out = frame(WINDOW_UPDATE, 0, 0, credit) + frame(WINDOW_UPDATE, 0, stream, credit) + out
            return out

    record = Record()

    def make(is_http2: bool) -> Http1Recorder | Http2Recorder:
        return Crediting(record, settings=setting(4, 1000)) if is_http2 else Http1Recorder(record)

    with serving(record, make) as port:
        figures = generator.figures(port, *options, "--connections=2", "--requests=20", "--post=70000", ANSWER)
    assert (figures["ok"], figures["failed"]) == (20, 0)
    assert (record.requests, record.body) == (20, 20 * 70000)
    assert record.values[":method"] == {"POST"}
    assert record.values["content-length"] == {"70000"}


# ---- what it counts ----


def answering(block: bytes, body: bytes = HELLO) -> Callable[[int], bytes]:
    return lambda stream: frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, body)


OK = {
    "indexed": b"\x88",
    "after a table size update": b"\x20\x88",
    "after a long table size update": b"\x3f\xe1\x1f\x88",
    "literal": b"\x48\x03200",
    "literal, not indexed": b"\x08\x03200",
    "literal, never indexed": b"\x18\x03200",
    "literal in Huffman code": b"\x08\x82\x10\x01",
}
NOT_OK = {"204": b"\x89", "404": b"\x8d", "500": b"\x8e", "201": b"\x48\x03201", "none": b"", "short": b"\x48\x0320"}


@pytest.mark.parametrize("name", OK)
def test_200_is_seen_however_it_is_written(generator: Generator, name: str) -> None:
    record = Record()
    with serving(record, http2(record, answering(OK[name]))) as port:
        assert generator.figures(port, "--requests=32", ANSWER)["ok"] == 32


@pytest.mark.parametrize("name", NOT_OK)
def test_anything_but_200_has_failed(generator: Generator, name: str) -> None:
    record = Record()
    with serving(record, http2(record, answering(NOT_OK[name]))) as port:
        figures = generator.figures(port, "--requests=32", ANSWER)
    assert (figures["ok"], figures["failed"], figures["not_200"]) == (0, 32, 32)


def framed(stream: int) -> bytes:
    """Return an answer in every kind of frame that RFC 9113 allows for it."""
    head = frame(HEADERS, PADDED | PRIORITY, stream, b"\x03" + bytes(5) + b"\x88" + bytes(3))
    head += frame(CONTINUATION, 0, stream, b"") + frame(CONTINUATION, END_HEADERS, stream, b"\x0f\x0d\x0213")
    body = frame(DATA, 0, stream, b"") + frame(DATA, PADDED, stream, b"\x05" + HELLO[:6] + bytes(5))
    body += frame(DATA, PADDED, stream, b"\x00" + HELLO[6:]) + frame(DATA, PADDED, stream, b"\x02\0\0")
    return head + frame(PING, 0, 0, b"12345678") + body + frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x88")


def test_padding_priority_continuation_and_trailers_are_understood(generator: Generator) -> None:
    record = Record()
    with serving(record, http2(record, framed)) as port:
        figures = generator.figures(port, "--requests=64", ANSWER)
    assert (figures["ok"], figures["data"]) == (64, 64 * len(HELLO))


@pytest.mark.parametrize("body", [b"", HELLO[:-1], HELLO + b"!"])
@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_a_body_of_another_length_has_failed(generator: Generator, protocol: str, body: bytes) -> None:
    record = Record()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)

    def make(is_http2: bool) -> Http1Recorder | Http2Recorder:
        return Http2Recorder(record, answering(b"\x88", body)) if is_http2 else Http1Recorder(record, head + body)

    with serving(record, make) as port:
        figures = generator.figures(port, f"--protocol={protocol}", "--requests=32", ANSWER)
    assert (figures["ok"], figures["wrong_length"], figures["data"]) == (0, 32, 32 * len(body))


def test_a_reset_has_failed_and_a_refusal_is_tried_again(generator: Generator) -> None:
    record, refused = Record(), set[int]()

    def answers(stream: int) -> bytes:
        if stream % 10 == 1:
            return frame(RST_STREAM, 0, stream, (2).to_bytes(4, "big"))
        if stream % 10 == 3:
            refused.add(stream)
            return frame(RST_STREAM, 0, stream, (7).to_bytes(4, "big"))
        return answer(stream)

    with serving(record, http2(record, answers)) as port:
        figures = generator.figures(port, "--connections=1", "--requests=100", ANSWER)
    assert figures["ok"] + figures["reset"] == figures["requests"] == 100
    assert figures["retried"] == len(refused) == record.requests - 100
    assert figures["reset"] == figures["failed"] > 0


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_no_more_streams_than_the_server_allows(generator: Generator, limit: int) -> None:
    record, waiting = Record(), list[int]()

    def answers(stream: int) -> bytes:
        waiting.append(stream)
        assert len(waiting) <= min(limit, 16)
        if len(waiting) < min(limit, 16):
            return b""
        out = b"".join(map(answer, waiting))
        waiting.clear()
        return out

    with serving(record, http2(record, answers, setting(3, limit))) as port:
        figures = generator.figures(port, "--connections=1", "--requests=48", ANSWER)
    assert figures["ok"] == 48


def test_after_a_goaway_it_goes_on_elsewhere_and_nothing_is_lost(generator: Generator) -> None:
    record = Record()

    def make(is_http2: bool) -> Http2Recorder:
        def answers(stream: int) -> bytes:
            if stream > 41:
                return b""
            goaway = frame(GOAWAY, 0, 0, (41).to_bytes(4, "big") + bytes(4)) if stream == 41 else b""
            return goaway + answer(stream)

        return Http2Recorder(record, answers)

    with serving(record, make) as port:
        figures = generator.figures(port, "--connections=2", "--requests=200", "--style=go", ANSWER)
    assert (figures["ok"], figures["failed"]) == (200, 0)
    assert figures["reconnected"] >= 8
    assert figures["retried"] == record.requests - 200


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6;a=b\r\n" + HELLO[:6] + b"\r\n7\r\n" + HELLO[6:]
HTTP1 = {
    "chunked": CHUNKED + b"\r\n0\r\n\r\n",
    "chunked, with trailers": CHUNKED + b"\r\n0\r\nA: b\r\n\r\n",
    "after 103": b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-LENGTH:13\r\n\r\n" + HELLO,
}


@pytest.mark.parametrize("name", HTTP1)
def test_http1_answers_are_framed_by_all_the_rules(generator: Generator, name: str) -> None:
    record = Record()
    with serving(record, lambda is_http2: Http1Recorder(record, HTTP1[name])) as port:
        figures = generator.figures(port, "--protocol=h1", "--connections=3", "--requests=60", ANSWER)
    assert (figures["ok"], figures["data"], figures["reconnected"]) == (60, 60 * len(HELLO), 0)


def test_a_connection_that_the_server_will_close_is_opened_anew(generator: Generator) -> None:
    record = Record()
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\n" + HELLO
    with serving(record, lambda is_http2: Http1Recorder(record, closing)) as port:
        figures = generator.figures(port, "--protocol=h1", "--connections=3", "--requests=30", ANSWER)
    assert (figures["ok"], record.connections) == (30, 30)


def test_http1_statuses_count(generator: Generator) -> None:
    record = Record()
    gone = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 13\r\n\r\n" + HELLO
    with serving(record, lambda is_http2: Http1Recorder(record, gone)) as port:
        assert generator.figures(port, "--protocol=h1", "--requests=30")["not_200"] == 30


# ---- at a fixed rate ----


def test_a_fixed_rate_is_kept_and_its_latencies_are_told(generator: Generator) -> None:
    record = Record()
    with serving(record) as port:
        figures = generator.figures(port, "--rate=400", "--requests=200", ANSWER)
    assert (figures["ok"], figures["failed"]) == (200, 0)
    assert figures["seconds"] >= 199 / 400
    latency = loadgen.parse(str(figures).replace("'", '"')).latency
    assert latency is not None
    assert 0 < latency.p50 <= latency.p99 <= latency.max


@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_a_server_that_stalls_is_charged_for_what_was_due_meanwhile(generator: Generator, protocol: str) -> None:
    """One request waits; with one in flight at a time, a closed loop would count one slow answer of two hundred."""

    class Stalling(Record):
        def head(self, fields: Sequence[tuple[str, str]], written: Sequence[str] = ()) -> None:
            super().head(fields, written)
            if self.requests == 1:
                threading.Event().wait(0.4)

    record = Stalling()
    with serving(record) as port:
        figures = generator.figures(
            port, f"--protocol={protocol}", "--connections=1", "--streams=1", "--rate=500", "--requests=200", ANSWER
        )
    assert figures["ok"] == 200
    assert figures["latency"]["p50"] > 0.1


# ---- when it cannot ----


def test_a_server_that_hangs_up_is_told_apart_from_a_slow_one(generator: Generator) -> None:
    record = Record()

    class Deaf(Http2Recorder):
        def receive(self, data: bytes) -> bytes:
            raise ConnectionResetError

    with serving(record, lambda is_http2: Deaf(record)) as port:
        done = generator.run(port, "--requests=10")
    assert done.returncode == 1
    assert "the server closes every connection unanswered" in done.stderr


def test_unanswered_requests_are_lost_when_time_is_up(generator: Generator) -> None:
    record = Record()
    with serving(record, http2(record, lambda stream: b"")) as port:
        figures = generator.figures(port, "--requests=10", "--timeout=0.3")
    assert (figures["ok"], figures["failed"], figures["lost"]) == (0, 10, 10)


def test_nobody_listens(generator: Generator) -> None:
    done = generator.run(1)
    assert (done.returncode, done.stdout) == (1, "")
    assert "127.0.0.1:1: Connection refused" in done.stderr


@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_nonsense_from_the_server_does_not_upset_it(generator: Generator, protocol: str) -> None:
    chance = random.Random(7)

    class Babbling(Http2Recorder):
        def on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
            if kind != HEADERS:
                return super().on_frame(kind, flags, stream, payload)
            junk = chance.randbytes(chance.randrange(60))
            return frame(chance.randrange(12), chance.randrange(256), chance.choice([0, stream]), junk)

    def babbling(record: Record, text: bytes) -> Make:
        return lambda is_http2: Babbling(record) if is_http2 else Http1Recorder(record, text)

    record = Record()
    for _ in range(12):
        text = chance.choice([b"HTTP/1.1 200 OK\r\n", b"", CHUNKED]) + chance.randbytes(40) + b"\r\n\r\n"
        with serving(record, babbling(record, text)) as port:
            done = generator.run(port, f"--protocol={protocol}", "--requests=40", "--timeout=0.3")
        assert done.returncode in (0, 1), done.stderr


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--style=apache", "--style"), ("--style=go,", "--style"), ("--requests=0", "--requests"),
        ("--requests=x", "--requests"), ("--rate=-1", "--rate"), ("--protocol=h3", "--protocol"),
        ("--connections=5000", "--connections"), ("--speed=9", "speed"),
    ],
)
def test_a_wrong_option_is_named(generator: Generator, option: str, named: str) -> None:
    done = generator.run(1, option)
    assert done.returncode == 2
    assert named in done.stderr


def test_a_missing_compiler_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(loadgen.BuildFailed, match=r"no-such-cc: No such file or directory; .*apt-get install gcc"):
        loadgen.build(tmp_path, compiler="no-such-cc")


def test_it_is_compiled_once(tmp_path: Path) -> None:
    program = loadgen.build(tmp_path)
    assert loadgen.build(tmp_path, flags=loadgen.FLAGS) == program
    assert [path.name for path in tmp_path.iterdir()] == [program.name]


def test_what_is_not_json_is_quoted() -> None:
    with pytest.raises(LoadFailed, match="Connection refused"):
        loadgen.parse("loadgen: 127.0.0.1:1: Connection refused\n")


def test_arguments_name_every_choice() -> None:
    argv = loadgen.arguments(
        Path("/loadgen"), 80, 8, 4, styles="go,envoy", requests=100, rate=50.5, first=7, repeat=True, post=9, answer=13
    )
    assert argv == [
        "/loadgen", "--connections=8", "--streams=4", "--authority=shop.example", "--style=go,envoy", "--requests=100",
        "--rate=50.500", "--first=7", "--repeat", "--post=9", "--answer=13", "127.0.0.1:80",
    ]
    assert loadgen.arguments(Path("/loadgen"), 80, 8, 1, http1=True, seconds=0.4)[4:] == [
        "--protocol=h1", "--duration=0.4", "127.0.0.1:80",
    ]
