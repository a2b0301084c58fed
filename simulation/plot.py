"""The model's charts as SVG: lines over time, and bars from low to high."""

from __future__ import annotations

import math
from typing import NamedTuple, Sequence
from xml.sax.saxutils import escape

from tribler_udp_fix.cli.plot import STYLE, label, ticks

from .study import Swing

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 170, 50, 48
BAR, NAME_WIDTH = 26, 230

# Five that keep their contrast on both grounds and differ for colour-blind eyes; each has its name.
_COLOURS = ("#c2410c", "#bf8700", "#8250df", "#1a7f37", "#0969da")
_DARK = ("#ff9248", "#e3b341", "#be8fff", "#56d364", "#58a6ff")


class Line(NamedTuple):
    """A named line of a chart."""

    name: str
    points: Sequence[tuple[float, float]]


def lines(title: str, across: str, up: str, drawn: Sequence[Line]) -> str:
    """A chart of lines with axes from zero on: what goes *across*, and *up*."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    most_x = max(x for line in drawn for x, _ in line.points)
    most_y = max(max(y for line in drawn for _, y in line.points), 1e-9) * 1.05

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + x / most_x * (right - LEFT), bottom - y / most_y * (bottom - TOP)

    parts = _begin(title, HEIGHT, _in_words(drawn))
    for percent in ticks(most_y):
        height = place(0, percent)[1]
        parts.append(f'<path class="grid" d="M{LEFT} {height:.1f}H{right}"/>')
        parts.append(label(LEFT - 6, height + 4, f"{percent:g}", "end"))
    for x in ticks(most_x):
        parts.append(label(place(x, 0)[0], bottom + 15, f"{x:g}", "middle"))
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    parts.append(label((LEFT + right) / 2, HEIGHT - 12, escape(across), "middle"))
    parts.append(
        f'<text class="small" text-anchor="middle" transform="translate(18 '
        f'{(TOP + bottom) / 2:.0f}) rotate(-90)">{escape(up)}</text>'
    )
    names: list[tuple[float, int, str]] = []
    for number, line in enumerate(drawn):
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (place(*point) for point in line.points))
        parts.append(f'<path class="l{number}" d="M{path}"/>')
        names.append((place(*line.points[-1])[1] + 4, number, line.name))
    above = math.inf  # names that would overlap move up
    for y, number, name in sorted(names, reverse=True):
        above = min(y, above - 15)
        parts.append(
            f'<text class="n{number}" x="{right + 8}" y="{above:.1f}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def swings(title: str, across: str, drawn: Sequence[Swing], usual: float) -> str:
    """A bar for each assumption, from what its low value gives to what its high one gives."""
    height = TOP + BAR * len(drawn) + BOTTOM
    bars = [(swing, swing.with_low.mean or 0.0, swing.with_high.mean or 0.0) for swing in drawn]
    most = max(max(first, last) for _, first, last in bars) * 1.05 or 1.0
    right = WIDTH - 90

    def place(value: float) -> float:
        return NAME_WIDTH + value / most * (right - NAME_WIDTH)

    told = [f"{s.name} {s.low} to {s.high}: {low:.1f} to {high:.1f}." for s, low, high in bars]
    parts = _begin(title, height, " ".join(told))
    bottom = height - BOTTOM
    for value in ticks(most):
        parts.append(f'<path class="grid" d="M{place(value):.1f} {TOP}V{bottom}"/>')
        parts.append(label(place(value), bottom + 15, f"{value:g}", "middle"))
    for number, (swing, first, last) in enumerate(bars):
        y = TOP + BAR * number + 5
        low, high = sorted((place(first), place(last)))
        text = f"{swing.name}: {swing.low} to {swing.high}"
        parts.append(label(NAME_WIDTH - 10, y + 12, escape(text), "end"))
        parts.append(
            f'<rect class="b4" x="{low:.1f}" y="{y}" width="{max(high - low, 1):.1f}" height="16"/>'
        )
        parts.append(label(high + 6, y + 12, f"{first:.1f} to {last:.1f}", "start"))
    parts.append(f'<path class="departures" d="M{place(usual):.1f} {TOP - 6}V{bottom}"/>')
    parts.append(label((NAME_WIDTH + right) / 2, height - 12, escape(across), "middle"))
    return "\n".join([*parts, "</svg>", ""])


def _begin(title: str, height: int, about: str) -> list[str]:
    def rules(colours: Sequence[str]) -> str:
        return " ".join(
            f".l{n} {{ stroke: {c}; fill: none; stroke-width: 2.5 }} "
            f"text.n{n} {{ fill: {c}; font-weight: 600 }} .b{n} {{ fill: {c} }}"
            for n, c in enumerate(colours)
        )

    dark = f"@media (prefers-color-scheme: dark) {{ {rules(_DARK)} }}"
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title about">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="about">{escape(about)}</desc>',
        f"<style>{STYLE} {rules(_COLOURS)} {dark}</style>",
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        f'<text class="title" x="20" y="28">{escape(title)}</text>',
    ]


def _in_words(drawn: Sequence[Line]) -> str:
    return " ".join(f"{line.name}: {line.points[-1][1]:.1f} at the end." for line in drawn)
