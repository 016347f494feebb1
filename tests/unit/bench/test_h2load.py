"""h2load's output, as recorded from the versions we run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import h2load
from bench.load import Counts, LoadFailed

DATA = Path(__file__).parent / "data"


def recorded(name: str) -> Counts:
    return h2load.parse((DATA / f"h2load-{name}.txt").read_text())


@pytest.mark.parametrize(("name", "seconds", "rate"), [("1.70-h2", 0.01069, 187055.74), ("1.52-h2", 0.0153, 130710.41)])
def test_both_versions_print_the_same_figures(name: str, seconds: float, rate: float) -> None:
    counts = recorded(name)
    assert counts.seconds == pytest.approx(seconds)
    assert counts.rate == rate
    assert (counts.total, counts.ok, counts.failed) == (2000, 2000, 0)
    assert (counts.data, counts.wire) == (4392000, 4450824)


def test_http1_counts_only_body_bytes_as_data() -> None:
    counts = recorded("1.70-h1")
    assert counts.data == counts.ok * len("Hello, World!")


def test_a_timed_run_counts_what_was_done() -> None:
    assert recorded("1.70-timed").total == 1346


def test_an_answer_that_is_not_2xx_has_failed() -> None:
    assert recorded("1.70-404").failed == 40


def test_a_stream_reset_after_its_head_has_failed_although_h2load_counts_it_as_2xx() -> None:
    counts = recorded("1.70-post")
    assert (counts.total, counts.ok, counts.failed) == (32, 16, 16)


def test_a_refused_connection_is_all_failures_and_no_rate() -> None:
    counts = recorded("1.70-refused")
    assert (counts.failed, counts.rate) == (40, 0.0)


def test_over_tls_the_version_and_the_cipher_are_those_of_every_server() -> None:
    counts = h2load.parse((DATA / "h2load-1.70-tls.txt").read_text(), tls=True)
    assert (counts.total, counts.ok) == (400, 400)
    with pytest.raises(LoadFailed, match=r"TLS_AES_128_GCM_SHA256: TLSv1\.3 TLS_AES_256_GCM_SHA384"):
        h2load.parse((DATA / "h2load-1.52-tls-other.txt").read_text(), tls=True)
    with pytest.raises(LoadFailed, match="no TLS"):
        h2load.parse((DATA / "h2load-1.70-h1.txt").read_text(), tls=True)


def test_output_without_a_summary_is_an_error_that_quotes_it() -> None:
    with pytest.raises(LoadFailed, match="invalid URI"):
        h2load.parse("h2load\ninvalid URI: nonsense\n")


@given(st.text())
def test_no_text_upsets_the_parser(text: str) -> None:
    with pytest.raises(LoadFailed):
        h2load.parse(text)


def test_arguments_name_every_choice() -> None:
    argv = h2load.arguments("http://127.0.0.1:1/", 8, 4, requests=100, http1=True, body="post.bin")
    assert argv == ["h2load", "-n100", "-c8", "-m4", "-t1", "--h1", "-d", "post.bin", "http://127.0.0.1:1/"]
    assert h2load.arguments("http://127.0.0.1:1/", 8, 4, seconds=0.4)[1:3] == ["-D", "400ms"]
