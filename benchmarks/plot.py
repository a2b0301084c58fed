"""Bars, as SVG: a figure of each contender, for some scenarios."""

from __future__ import annotations

import statistics
from typing import Sequence
from xml.sax.saxutils import escape

from .measurements import SCENARIOS
from .report import BASE, Samples, ratio

COLOURS = ("#1a7f37", "#6e7781", "#bf8700", "#0969da", "#8250df")
WIDTH, LEFT, BAR, GAP = 760, 230, 16, 18
STYLE = "font-family: system-ui, sans-serif; font-size: 12px; fill: #57606a"


def bars(samples: Samples, keys: Sequence[str], figure: str, contenders: Sequence[str]) -> str:
    """Return a drawing of *figure* in these scenarios: medians, and the middle half as a line.

    Each scenario has a scale of its own, the largest bar's.
    """
    keys = [key for key in keys if figure in samples.get(key, {})]
    block = BAR * len(contenders) + GAP
    height = block * len(keys) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" style="{STYLE}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    x = LEFT
    for name, colour in zip(contenders, COLOURS):
        parts.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17}" y="22">{escape(name)}</text>')
        x += 35 + 7 * len(name)
    for number, key in enumerate(keys):
        top = 40 + number * block
        title = f"{SCENARIOS[key].title}, {SCENARIOS[key].figures[figure][0]}"
        parts += _title(title, top)
        parts += _block(samples, key, figure, contenders, top)
    return "\n".join([*parts, "</svg>\n"])


def _title(title: str, top: int) -> list[str]:
    words, lines = title.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 34:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [
        f'<text x="{LEFT - 12}" y="{top + 13 + 15 * n}" text-anchor="end">{escape(line)}</text>'
        for n, line in enumerate(lines)
    ]


def _block(
    samples: Samples, key: str, figure: str, contenders: Sequence[str], top: int
) -> list[str]:
    figures = samples[key][figure]
    most = max(max(values) for values in figures.values()) or 1
    scale = (WIDTH - LEFT - 130) / most
    parts = []
    for row, (name, colour) in enumerate(zip(contenders, COLOURS)):
        if name not in figures:
            continue
        values, y = sorted(figures[name]), top + row * BAR
        middle, quarter = statistics.median(values), len(values) // 4
        low, high = values[quarter] * scale, values[-1 - quarter] * scale
        label = f"{middle:,.0f}" if middle >= 100 else f"{middle:.1f}"
        found = ratio(samples, key, figure, name)
        if name != BASE and found:
            label += f" (plugin: {found.median:.2f} times)"
        size = f'width="{middle * scale:.1f}" height="{BAR - 3}"'
        parts += [
            f'<rect x="{LEFT}" y="{y}" {size} fill="{colour}"/>',
            f'<path d="M{LEFT + low:.1f} {y + 6.5}H{LEFT + high:.1f}" stroke="#24292f"/>',
            f'<text x="{LEFT + max(middle * scale, high) + 6:.1f}" y="{y + 11}">{label}</text>',
        ]
    return parts
