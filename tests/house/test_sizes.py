"""Modules, functions and comments stay short; what may be longer is listed with its reason."""

from __future__ import annotations

from tests.house.source import ROOT, code_lines, comment_blocks, functions, sources

PRODUCT = ("appserver", "proxyconf")
CYTHON = (".pyx", ".pxi")
ALL = (*PRODUCT, "bench", "h2spec", "tools", "examples", "tests")

MODULE_LINES, TEST_MODULE_LINES = 350, 500
FUNCTION_LINES, LONG_FUNCTION_LINES, LONG_SHARE = 45, 30, 0.05
COMMENT_LINES = 4

# path -> why it may be longer
LONG_MODULES: dict[str, str] = {
}
# path::function -> why it may be longer
LONG_FUNCTIONS: dict[str, str] = {
}


def test_modules_are_short() -> None:
    too_long = {}
    for path in sources(*ALL, suffixes=(".py", *CYTHON, ".pxd")):
        name = str(path.relative_to(ROOT))
        limit = TEST_MODULE_LINES if name.startswith("tests/") else MODULE_LINES
        if (lines := code_lines(path)) > limit:
            too_long[name] = lines
    assert {name: lines for name, lines in too_long.items() if name not in LONG_MODULES} == {}
    assert sorted(too_long) == sorted(LONG_MODULES), "take what became short off LONG_MODULES"


def test_functions_are_short() -> None:
    too_long = {}
    for path in sources(*ALL, suffixes=(".py", *CYTHON)):
        for function in functions(path):
            if function.length > FUNCTION_LINES:
                too_long[f"{path.relative_to(ROOT)}::{function.name}"] = function.length
    assert {name: length for name, length in too_long.items() if name not in LONG_FUNCTIONS} == {}
    assert sorted(too_long) == sorted(LONG_FUNCTIONS), "take what became short off LONG_FUNCTIONS"


def test_few_functions_are_long() -> None:
    lengths = [function.length for path in sources(*PRODUCT, suffixes=(".py", *CYTHON)) for function in functions(path)]
    long = sum(length > LONG_FUNCTION_LINES for length in lengths)
    assert long <= LONG_SHARE * len(lengths)


def test_comments_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{line}: {length} lines of comment"
        for path in sources(*ALL, suffixes=(".py", *CYTHON))
        for line, length in comment_blocks(path)
        if length > COMMENT_LINES
    ]
    assert long == []


def test_the_functions_of_cython_files_are_counted() -> None:
    found = {function.name: function.length for function in functions(ROOT / "appserver/h2/kernel/session.pxi")}
    assert {"take", "receive", "settings_frame", "lose_streams", "ended"} <= found.keys()
    assert 10 < found["take"] < FUNCTION_LINES
