"""What a probe asks for survives the way through a header field, and rubbish is refused."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.verify.answer import Answer, AnswerError, seeded_blocks

text = st.text(st.characters(codec="latin-1"), max_size=20)
fields = st.lists(st.tuples(text, text), max_size=3).map(tuple)
answers = st.builds(
    Answer, status=st.integers(200, 599), fields=fields, inform=st.lists(st.tuples(st.integers(100, 199), fields), max_size=2).map(tuple),
    echo=st.booleans(), pieces=st.lists(text, max_size=3).map(tuple), size=st.none() | st.integers(0, 10**9), trailers=fields,
    delay=st.floats(0, 60), pause=st.floats(0, 60), hold=text, step=text, abort=st.booleans(), close=st.booleans(),
)  # fmt: skip


@given(answers)
def test_an_answer_is_read_back_as_it_was_written(answer: Answer) -> None:
    value = answer.encode()
    assert Answer.decode(value) == answer
    assert value.isascii()
    assert not set(value) & set(' ,;:"\\')


def test_the_default_costs_almost_nothing() -> None:
    assert json.loads(base64.urlsafe_b64decode(Answer().encode())) == {}


@pytest.mark.parametrize(
    "value",
    ["", "%", "bm8=", "WzFd", base64.urlsafe_b64encode(b'{"stats": 1}').decode(), base64.urlsafe_b64encode(b'"x"').decode()],
)
def test_rubbish_is_refused(value: str) -> None:
    with pytest.raises(AnswerError):
        Answer.decode(value)


@given(st.integers(0, 300_000))
def test_seeded_bytes_have_their_size_and_come_again(size: int) -> None:
    once, again = (b"".join(seeded_blocks("seed", size)) for _ in range(2))
    assert len(once) == size
    assert once == again
