"""The chart: one panel of horizontal bars per scenario, as SVG, written here without a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

__all__ = ["Bar", "Panel", "svg"]

WIDTH = 920
LABEL = 190
PLOT = 520
ROW = 34
HEAD = 34
GAP = 18
TOP = 78
COLOURS = {"ours": "#0b6e4f", "peer": "#8a94a6", "limit": "#c9ced8"}
STYLE = (
    "text{font-family:system-ui,sans-serif;font-size:13px;fill:#1d2430}"
    ".title{font-size:19px;font-weight:600}.panel{font-size:15px;font-weight:600}.small{font-size:11px;fill:#5b6472}"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One server in a panel: requests per second, and per CPU-second; kind is ours, peer or limit."""

    label: str
    rate: float
    per_cpu: float
    kind: str = "peer"


@dataclass(frozen=True, slots=True)
class Panel:
    """One scenario."""

    title: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        """Its height in pixels."""
        return HEAD + ROW * len(self.bars) + GAP


def svg(title: str, note: str, panels: Sequence[Panel]) -> str:
    """Return the whole chart."""
    parts = [f'<text x="24" y="34" class="title">{escape(title)}</text>',
             f'<text x="24" y="56" class="small">{escape(note)}</text>']
    top = TOP
    for panel in panels:
        parts += _panel(panel, top)
        top += panel.height
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"'
        f' role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", '<rect width="100%" height="100%" fill="#fff"/>', *parts,
                      "</svg>", ""])


def _panel(panel: Panel, top: int) -> list[str]:
    parts = [f'<text x="24" y="{top + 18}" class="panel">{escape(panel.title)}</text>']
    maximum = max((value for bar in panel.bars for value in (bar.rate, bar.per_cpu)), default=0.0)
    for number, bar in enumerate(panel.bars):
        parts += _bar(bar, top + HEAD + ROW * number, maximum)
    return parts


def _bar(bar: Bar, y: int, maximum: float) -> list[str]:
    colour = COLOURS[bar.kind]
    long, short = (PLOT * value / maximum if maximum else 0.0 for value in (bar.rate, bar.per_cpu))
    weight = ' font-weight="600"' if bar.kind == "ours" else ""
    return [
        f'<text x="{LABEL}" y="{y + 13}" text-anchor="end"{weight}>{escape(bar.label)}</text>',
        f'<rect x="{LABEL + 10}" y="{y}" width="{long:.1f}" height="16" fill="{colour}"/>',
        f'<rect x="{LABEL + 10}" y="{y + 18}" width="{short:.1f}" height="5" fill="{colour}" opacity="0.55"/>',
        f'<text x="{LABEL + 16 + max(long, short):.1f}" y="{y + 13}">{bar.rate:,.0f}'
        f' <tspan class="small">({bar.per_cpu:,.0f})</tspan></text>',
    ]
