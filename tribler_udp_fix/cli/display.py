"""How ``demo`` draws its services while they run, and the table at the end."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Callable, Iterator, TextIO

from rich import box
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tribler_udp_fix.cli.console import can_draw_live, make_console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tribler_udp_fix.cli.children import Child
    from tribler_udp_fix.cli.pair import Pair

SILENCE = 0.8  # seconds without a datagram, while peers send, that look like deafness
ROOMY = 80  # columns for every column of the tables; with fewer there are no bars, and less space


@contextlib.contextmanager
def live(stream: TextIO, pairs: list[Pair], peers: int) -> Iterator[Callable[[], None]]:
    """Draw the services while the block runs; call what is yielded to draw them anew."""
    console = make_console(stream)
    if not can_draw_live(console):
        yield lambda: None
        return
    with Live(console=console, auto_refresh=False, transient=True) as drawing:
        yield lambda: drawing.update(_running_table(pairs, peers, console.width), refresh=True)


def print_result(pairs: list[Pair]) -> None:
    """The table at the end and what it amounts to, on stdout."""
    console = make_console(sys.stdout)
    console.print(_result_table(pairs, console.width))
    for pair in pairs:
        for child in pair.children:
            if child.failure is not None:
                which = "with" if child.protected else "without"
                console.print(f"Python {pair.version}, {which} the plugin: {child.failure}")
    console.print(_summary(pairs))


def _table(title: str, expand: bool, width: int) -> Table:
    return Table(
        title=title,
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        expand=expand,
        pad_edge=False,
        padding=(0, 1 if width >= ROOMY else 0),
    )


def _running_table(pairs: list[Pair], peers: int, width: int) -> Table:
    table = _table("An echo service whose peers depart: datagrams heard", True, width)
    table.add_column("Python", no_wrap=True)
    bars = width >= ROOMY
    for side in ("without\nthe plugin", "with\nthe plugin"):
        if bars:
            table.add_column(side, ratio=1)
        table.add_column("heard" if bars else side, justify="right", no_wrap=True)
        table.add_column("last heard" if bars else "last\nheard", justify="right", no_wrap=True)
    for pair in pairs:
        sides = [
            _side(child, peers)[0 if bars else 1 :] for child in (pair.without, pair.protected)
        ]
        table.add_row(pair.version, *sides[0], *sides[1])
    return table


def _side(child: Child | None, peers: int) -> list[RenderableType]:
    if child is None:
        return ["", "", Text("waiting", "dim")]
    if not child.samples:
        return ["", "", Text("failed" if child.failure else "starting", "dim")]
    silent = child.now - child.last_heard
    deaf = child.lost > 0 and silent > SILENCE
    style = "red" if deaf else "green"
    bar = ProgressBar(
        total=peers, completed=child.heard, complete_style=style, finished_style=style
    )
    when = f"{max(0.0, silent):.1f} s ago" if not child.ended else f"at {child.last_heard:.1f} s"
    return [bar, f"{child.heard}/{child.sent}", Text(when, "bold red" if deaf else "")]


def _result_table(pairs: list[Pair], width: int) -> Table:
    table = _table("Datagrams heard, and errors reported to the service", False, width)
    table.add_column("Python", no_wrap=True)
    for side in ("without", "with"):
        plugin = " the plugin" if width >= ROOMY else "\nthe plugin"
        table.add_column(side + plugin, justify="right", no_wrap=True)
        table.add_column("errors", justify="right", no_wrap=True)
    table.add_column("result", no_wrap=True)
    for pair in pairs:
        table.add_row(pair.version, *_heard(pair.without), *_heard(pair.protected), _verdict(pair))
    return table


def _heard(child: Child | None) -> list[RenderableType]:
    if child is None or child.failure is not None:
        return [Text("did not run", "bold red"), ""]
    style = "red" if child.lost else "green"
    return [Text(f"{child.heard} of {child.sent}", style), str(child.errors)]


def _verdict(pair: Pair) -> Text:
    if not pair.kept():
        lost = pair.protected.lost if pair.protected is not None else 0
        return Text(f"lost {lost}" if lost else "failed", "bold red")
    if pair.without is not None and pair.without.failure is None and pair.without.lost:
        return Text(f"{pair.without.lost} saved", "green")
    return Text("none lost", "green")


def _summary(pairs: list[Pair]) -> Text:
    def total(children: list[Child | None]) -> str:
        ran = [child for child in children if child is not None and child.failure is None]
        return f"{sum(child.heard for child in ran)} of {sum(child.sent for child in ran)}"

    return Text(
        f"Without the plugin {total([pair.without for pair in pairs])} datagrams were heard, "
        f"with it {total([pair.protected for pair in pairs])}."
    )
