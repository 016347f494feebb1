"""Receive windows that grow while applications read as fast as a client sends, up to a bound."""

from __future__ import annotations

from collections.abc import Callable

from tests.engines.talk import Recorder, Talk
from tests.support.frames import INITIAL_WINDOW_SIZE, POST, Ping, Sent, Settings, Window

OpenTalk = Callable[..., Talk]
START, LIMIT = 65_535, 400_000


class Upload:
    """A client that sends all that it may, and answers PING a round trip later."""

    def __init__(self, talk: Talk, reads: bool = True) -> None:
        self.talk = talk
        self.connection = self.stream = START
        self.windows = [START]
        self.pings = 0
        talk.react = self.read if reads else None
        talk.say(talk.client.headers(1, POST))

    def read(self, recorder: Recorder, call: str) -> None:
        if call == "body":
            recorder.stream.grant(16_384)

    def round_trip(self) -> None:
        data: list[bytes] = []
        while (size := min(self.connection, self.stream, 16_384)) > 0:
            self.connection -= size
            self.stream -= size
            data.append(self.talk.client.data(1, bytes(size)))
        replies: list[bytes] = []
        for piece in data:
            for frame in self.talk.ask(piece):
                replies += self.hear(frame)
        self.talk.say(*replies)
        for frame in self.talk.heard():
            self.hear(frame)

    def hear(self, frame: Sent) -> list[bytes]:
        match frame:
            case Window(0, size):
                self.connection += size
            case Window(_, size):
                self.stream += size
            case Ping(data, False):
                self.pings += 1
                return [self.talk.client.pong(data)]
            case Settings(values, False):
                window = dict(values)[INITIAL_WINDOW_SIZE]
                self.stream += window - self.windows[-1]
                self.windows.append(window)
                return [self.talk.client.acknowledge()]
        return []


def small(open_talk: OpenTalk, max_window: int = LIMIT) -> Talk:
    return open_talk(
        server={"stream_window": START, "connection_window": START, "max_window": max_window}, limits={"body": 0}
    )


def test_a_fast_upload_that_is_read_widens_its_windows(open_talk: OpenTalk) -> None:
    upload = Upload(small(open_talk))
    for _ in range(40):
        upload.round_trip()
    assert upload.windows == [START, 2 * START, 4 * START, LIMIT]
    assert upload.connection + upload.stream > LIMIT
    assert upload.talk.pongs == 0
    # Once the bound is reached nothing is measured any more.
    before = upload.pings
    for _ in range(10):
        upload.round_trip()
    assert upload.pings == before


def test_what_nobody_reads_widens_nothing(open_talk: OpenTalk) -> None:
    upload = Upload(small(open_talk), reads=False)
    for _ in range(10):
        upload.round_trip()
    assert (upload.windows, upload.pings) == ([START], 0)


def test_a_slow_upload_widens_nothing_and_is_measured_ever_more_seldom(open_talk: OpenTalk) -> None:
    talk = small(open_talk)
    upload = Upload(talk)
    for _ in range(400):
        for frame in talk.ask(talk.client.data(1, bytes(1_000))):
            talk.say(*upload.hear(frame))
    assert upload.windows == [START]
    assert 1 <= upload.pings <= 6


def test_no_bound_is_no_growth(open_talk: OpenTalk) -> None:
    upload = Upload(small(open_talk, 0))
    for _ in range(10):
        upload.round_trip()
    assert (upload.windows, upload.pings) == ([START], 0)


def test_a_measure_does_not_answer_for_a_drain(open_talk: OpenTalk) -> None:
    talk = small(open_talk)
    upload = Upload(talk)
    upload.round_trip()
    talk.engine.shutdown_notice()
    pings = [frame for frame in talk.heard() if isinstance(frame, Ping) and not frame.ack]
    assert [ping.data for ping in pings] == [bytes(8)]
    talk.say(talk.client.pong(bytes(8)))
    assert talk.pongs == 1
