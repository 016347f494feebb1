"""What an HTTP/1.1 client is answered by a listener that speaks HTTP/2 only."""

from __future__ import annotations

from appserver.accepted import Peer
from appserver.contract import Request
from appserver.http.answer import AnswerContext

__all__ = ["refusal"]

STATUS = 505
REASON = b"This listener speaks HTTP/2 only (cleartext, prior knowledge: h2c)\n"
FIELDS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(REASON)),
    (b"connection", b"close"),
]


def refusal(answers: AnswerContext, peer: Peer, first: bytes) -> bytes:
    """Return a whole response to the request that `first` begins, and tell the observer."""
    request = _request(peer, first)
    body = b"" if request.method == "HEAD" else REASON
    if answers.observer is not None:
        answers.observer.on_done(request, STATUS, len(body), 0.0)
    fields = b"".join(b"%s: %s\r\n" % field for field in [*answers.fields(), *FIELDS])
    return b"HTTP/1.1 505 HTTP Version Not Supported\r\n%s\r\n%s" % (fields, body)


def _request(peer: Peer, first: bytes) -> Request:
    """Return what the request line says; nothing but its client where it is not whole."""
    request = Request()
    request.peer = peer
    request.client = peer.client
    request.scheme = peer.scheme
    line, end, _ = first.partition(b"\r\n")
    words = line.split(b" ")
    if end and len(words) == 3 and words[2].startswith(b"HTTP/"):
        request.method = words[0].decode("latin-1")
        request.target = words[1]
        request.version = words[2][5:].decode("latin-1")
    return request
