"""The app server's end: what is written loads, and a wrong option would be found. Goldens hold the text."""

from __future__ import annotations

import pytest

from proxyconf.backend.appserver import problems


def test_what_the_server_takes_is_without_problems() -> None:
    assert problems('[server]\napp = "a:b"\nhttp1 = true\n') == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[nothing]\nx = 1", "[nothing]: no such option"), ("bnd = []", "did you mean"), ("http1 = 1", "is not true or false"),
        ("[timeout]\npreface = 0.0", "preface"), ("[limit]\nfield_size = 2097152", "field_size"), ('loop = "trio"', "trio"),
    ],
)  # fmt: skip
def test_the_server_itself_says_what_is_wrong(text: str, words: str) -> None:
    [problem] = problems(f'[server]\napp = "a:b"\n{text}\n')
    assert problem.startswith("appserver.toml:")
    assert words in problem
