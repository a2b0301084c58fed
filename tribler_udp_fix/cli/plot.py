"""``demo --plot``: the datagrams heard over time, one small chart for each Python, as SVG.

Written by hand: a chart this plain needs no plotting package. The colours keep their contrast
on the light and on the dark ground, differ for colour-blind eyes, and each line carries its
name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from tribler_udp_fix.cli.children import Child
    from tribler_udp_fix.cli.pair import Pair

COLUMNS = 3
WIDTH, HEIGHT = 300, 220  # of one chart, pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 34, 40  # its margins
HEAD, HEAD_WIDTH = 78, 660  # room for the title and the legend
PAD = 12

TITLE = "Datagrams a UDP echo service heard, without and with tribler_udp_fix"

STYLE = """
  .ground { fill: #ffffff; stroke: #d0d7de }
  text { fill: #24292f; font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
  .title { font-size: 16px; font-weight: 600 }
  .name { font-size: 13px; font-weight: 600 }
  .small { font-size: 11px; fill: #57606a }
  .axis { stroke: #8c959f; fill: none }
  .grid { stroke: #d8dee4 }
  .sent { stroke: #d0d7de; fill: none; stroke-width: 8; stroke-linejoin: round }
  .departures { stroke: #57606a; stroke-dasharray: 3 3; fill: none }
  .without { stroke: #c2410c; fill: none; stroke-width: 2.5 }
  .with { stroke: #0969da; fill: none; stroke-width: 2.5 }
  .without-label { fill: #c2410c; font-weight: 600 }
  .with-label { fill: #0969da; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #30363d }
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .axis { stroke: #6e7681 }
    .sent { stroke: #30363d }
    .departures { stroke: #9198a1 }
    .grid { stroke: #21262d }
    .without { stroke: #ff9248 }
    .with { stroke: #58a6ff }
    .without-label { fill: #ff9248 }
    .with-label { fill: #58a6ff }
  }
"""


class Scale(NamedTuple):
    """What the axes of every chart go up to, so that the charts compare."""

    seconds: float
    datagrams: int

    def x(self, seconds: float) -> float:
        """The place of a time in its chart, in pixels."""
        return LEFT + seconds / self.seconds * (WIDTH - LEFT - RIGHT)

    def y(self, datagrams: float) -> float:
        """The place of a count in its chart, in pixels."""
        return HEIGHT - BOTTOM - datagrams / self.datagrams * (HEIGHT - TOP - BOTTOM)


def draw(pairs: list[Pair]) -> str:
    """The whole picture as the text of an SVG file."""
    scale = _scale(pairs)
    columns = min(COLUMNS, max(1, len(pairs)))
    rows = -(-len(pairs) // columns)
    width = max(columns * WIDTH, HEAD_WIDTH) + 2 * PAD
    height = HEAD + rows * HEIGHT + PAD
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title about">',
        f'<title id="title">{escape(TITLE)}</title>',
        f'<desc id="about">{escape(" ".join(_in_words(pair) for pair in pairs))}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6"/>',
        *_head(),
    ]
    for place, pair in enumerate(pairs):
        x = PAD + place % columns * WIDTH
        y = HEAD + place // columns * HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_chart(pair, scale), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _scale(pairs: list[Pair]) -> Scale:
    children = [child for pair in pairs for child in pair.children]
    seconds = max([sample.t for child in children for sample in child.samples] or [1.0])
    return Scale(max(1.0, seconds), max([child.sent for child in children] + [10]))


def _in_words(pair: Pair) -> str:
    runs = []
    for child in pair.children:
        which = "with" if child.protected else "without"
        last = f", the last after {child.last_heard:.1f} seconds" if child.lost else ""
        runs.append(f"{which} the plugin {child.heard} of {child.sent} heard{last}")
    return f"Python {pair.version}: {'; '.join(runs)}."


def _head() -> list[str]:
    x, y = PAD + 8, 56
    legend = [
        ("with", "heard with the plugin", 0),
        ("without", "heard without", 175),
        ("sent", "sent by its peers", 305),
        ("departures", "peers begin to depart", 455),
    ]
    parts = [f'<text class="title" x="{x}" y="32">{escape(TITLE)}</text>']
    for name, text, offset in legend:
        left = x + offset
        parts.append(f'<path class="{name}" d="M{left} {y - 4}h24"/>')
        parts.append(f'<text x="{left + 32}" y="{y}">{escape(text)}</text>')
    return parts


def _chart(pair: Pair, scale: Scale) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f'<text class="name" x="{LEFT}" y="{TOP - 14}">Python {escape(pair.version)}</text>']
    for count in ticks(scale.datagrams):
        y = scale.y(count)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(label(LEFT - 6, y + 4, str(count), "end"))
    for second in ticks(scale.seconds):
        parts.append(label(scale.x(second), bottom + 15, f"{second:g}", "middle"))
    parts.append(f'<path class="axis" d="M{LEFT} {TOP - 4}V{bottom}H{right}"/>')
    parts.append(label((LEFT + right) / 2, HEIGHT - 8, "seconds", "middle"))
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text class="small" text-anchor="middle" '
        f'transform="translate(12 {middle:.0f}) rotate(-90)">datagrams heard</text>'
    )
    if pair.protected is not None:
        at = scale.x(pair.protected.departures)
        parts.append(f'<path class="departures" d="M{at:.1f} {TOP - 4}V{bottom}"/>')
        parts.append(_line("sent", [(s.t, s.sent) for s in pair.protected.samples], scale))
    for child in pair.children:
        name = "with" if child.protected else "without"
        parts.append(_line(name, [(s.t, s.heard) for s in child.samples], scale))
    parts += _end_labels(pair, scale)
    return parts


def _line(name: str, points: list[tuple[float, int]], scale: Scale) -> str:
    path = "L".join(f"{scale.x(t):.1f} {scale.y(n):.1f}" for t, n in [(0.0, 0), *points])
    return f'<path class="{name}" d="M{path}"/>'


def _end_labels(pair: Pair, scale: Scale) -> list[str]:
    """Each line's last count: the protected one above its end, the stock one above its end."""
    parts = []
    for child in pair.children:
        name = "with" if child.protected else "without"
        text = _end_text(child)
        y = scale.y(child.heard) - 7 if child.samples else HEIGHT / 2
        parts.append(
            f'<text class="{name}-label" x="{WIDTH - RIGHT}" y="{y:.1f}" '
            f'text-anchor="end">{escape(text)}</text>'
        )
    return parts


def _end_text(child: Child) -> str:
    if not child.samples:
        return "did not run"
    return f"{child.heard} of {child.sent}"


def label(x: float, y: float, text: str, anchor: str) -> str:
    """A small text at a place of a chart."""
    return f'<text class="small" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def ticks(highest: float) -> list[int]:
    """Round numbers from 0, at most five of them."""
    for step in (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000):
        if highest / step < 5.5:
            return list(range(0, int(highest) + 1, step))
    return [0, int(highest)]
