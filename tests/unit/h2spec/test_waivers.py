"""The waivers and how they are compared with what failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2spec.junit import Case, read
from h2spec.waivers import CASES, BadWaiver, Waiver, compare, load

ROW = '[[waiver]]\ncase = "http2/5.1.1/2"\nengines = ["kernel"]\nrfc9113 = "5.1.1"\nreason = "because"\n'
WAIVER = Waiver("http2/5.1.1/2", ("kernel",), "5.1.1", "because")


def written(folder: Path, text: str) -> Path:
    path = folder / "waivers.toml"
    path.write_text(text)
    return path


def run(*failed: str) -> list[Case]:
    """Return a full run in which these cases failed."""
    names = [*failed, *(f"x/{number}" for number in range(CASES - len(failed)))]
    return [Case(name, "", "", "failed" if name in failed else "passed") for name in names]


def test_the_projects_own_waivers_are_understood_and_name_real_cases() -> None:
    waivers = load(Path("h2spec/waivers.toml"))
    known = {case.id for case in read(Path(__file__).parent / "data" / "nghttpd.xml")}
    assert {waiver.case for waiver in waivers} <= known


def test_a_row_is_read(tmp_path: Path) -> None:
    assert load(written(tmp_path, ROW)) == [WAIVER]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ROW.replace('reason = "because"', ""), "reason is missing"),
        (ROW.replace('rfc9113 = "5.1.1"', ""), "rfc9113 is missing"),
        (ROW + 'engine = "pure"\n', "unknown engine"),
        (ROW + 'nghttp2 = "new-"\n', "'new' is no version"),
        ("[waivers]\n", "unknown waivers"),
        ("case = ", "waivers.toml"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadWaiver, match=complaint):
        load(written(tmp_path, text))


def test_the_failing_set_equals_the_waivers() -> None:
    assert compare(run("http2/5.1.1/2"), [WAIVER], "kernel").complaints == []


def test_a_failure_without_a_waiver_is_a_complaint() -> None:
    complaints = compare(run("http2/5.1.1/2", "hpack/2.3/1"), [WAIVER], "kernel").complaints
    assert len(complaints) == 1
    assert complaints[0].startswith("hpack/2.3/1 failed, without a waiver")


def test_a_waived_case_that_passes_is_a_complaint() -> None:
    complaints = compare(run(), [WAIVER], "kernel").complaints
    assert complaints == ["http2/5.1.1/2 is waived and did not fail: remove the waiver"]


def test_a_waiver_counts_only_for_its_engine() -> None:
    assert compare(run(), [WAIVER], "pure").complaints == []
    assert len(compare(run("http2/5.1.1/2"), [WAIVER], "pure").complaints) == 1


@pytest.mark.parametrize(
    ("bounds", "version", "applies"),
    [
        (("1.52.0", "1.70.0"), "1.52.0", True),
        (("1.52.0", "1.70.0"), "1.70.0", True),
        (("1.52.0", "1.70.0"), "1.9.0", False),
        (("", "1.64.0"), "1.70.0", False),
        (("1.64.0", ""), "1.100.0", True),
        (("1.64.0", ""), "", True),
    ],
)
def test_a_waiver_may_be_bound_to_versions_of_the_library(bounds: tuple[str, str], version: str, applies: bool) -> None:
    waiver = Waiver("c", ("kernel",), "5", "r", bounds)
    assert waiver.applies("kernel", version) is applies


def test_the_pure_engine_knows_no_library_version() -> None:
    assert Waiver("c", ("pure",), "5", "r", ("1.64.0", "")).applies("pure", "1.52.0")


def test_a_run_of_fewer_cases_proves_nothing() -> None:
    assert compare(run()[:-1], [], "pure").complaints == ["145 cases were run, not 146"]


@given(st.sets(st.sampled_from([f"x/{number}" for number in range(20)])),
       st.sets(st.sampled_from([f"x/{number}" for number in range(20)])))
def test_only_equality_is_quiet(failed: set[str], waived: set[str]) -> None:
    cases = [Case(f"x/{number}", "", "", "failed" if f"x/{number}" in failed else "passed") for number in range(CASES)]
    waivers = [Waiver(name, ("pure",), "1", "r") for name in waived]
    assert bool(compare(cases, waivers, "pure").complaints) is (failed != waived)
