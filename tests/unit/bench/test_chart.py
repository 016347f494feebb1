"""The SVG chart."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from bench.chart import PLOT, Bar, Panel, svg

SVG = "{http://www.w3.org/2000/svg}"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40)


def bars_of(text: str) -> list[float]:
    root = ET.fromstring(text)
    return [float(rect.get("width", "0")) for rect in root.iter(f"{SVG}rect") if "%" not in rect.get("width", "")]


def test_the_fastest_fills_the_width_and_the_others_are_in_proportion() -> None:
    panel = Panel("GET", [Bar("ours", 400, 200, "ours"), Bar("peer", 100, 50)])
    assert bars_of(svg("t", "n", [panel])) == [PLOT, PLOT / 2, PLOT / 4, PLOT / 8]


def test_panels_do_not_share_a_scale() -> None:
    panels = [Panel("many", [Bar("a", 1000, 0)]), Panel("few", [Bar("a", 10, 0)])]
    assert bars_of(svg("t", "n", panels)) == [PLOT, 0, PLOT, 0]


def test_a_panel_without_figures_is_drawn_all_the_same() -> None:
    assert bars_of(svg("t", "n", [Panel("none", []), Panel("zero", [Bar("a", 0, 0)])])) == [0, 0]


@given(TEXT, TEXT, TEXT)
def test_any_text_gives_well_formed_xml_that_says_it(title: str, scenario: str, label: str) -> None:
    root = ET.fromstring(svg(title, "n", [Panel(scenario, [Bar(label, 1, 1)])]))
    texts = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert {title, scenario, label} <= set(texts)
