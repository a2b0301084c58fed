"""Draws the watchdog's table into docs/watchdog.md: ``python3 -m tests.policy_diagram``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Iterator

from tribler_udp_fix._watchdog._policy import TABLE, Action, State

PAGE = Path(__file__).parent.parent / "docs" / "watchdog.md"


def renewed(text: str) -> str:
    """The page, with the diagram and the table as they are now."""
    for name, lines in (("diagram", diagram()), ("table", table())):
        block = "\n".join((f"<!-- {name} -->", *lines, f"<!-- end of {name} -->"))
        pattern = f"<!-- {name} -->.*<!-- end of {name} -->"
        text = re.sub(pattern, lambda _, block=block: block, text, flags=re.DOTALL)  # type: ignore[misc]
    return text


def diagram() -> Iterator[str]:
    """The table as a Mermaid state diagram. Staying, and an owner's closing, are left out."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for row in TABLE:
        for state in row.states:
            if state is not row.then and len(row.states) < len(State):
                inputs = ", ".join(event.value for event in row.inputs)
                when = f" [{row.when.value}]" if row.when.value else ""
                arrows.setdefault((state, row.then), []).append(inputs + when)
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from (f'    state "{state.value}" as {state.name}' for state in State)
    yield "    [*] --> HEALTHY"
    for (before, after), labels in arrows.items():
        yield f"    {before.name} --> {after.name}: {' / '.join(labels)}"
    yield "```"


def table() -> Iterator[str]:
    """The table itself."""
    yield "| in | on | if | then | do |"
    yield "|---|---|---|---|---|"
    for row in TABLE:
        every = len(row.states) == len(State)
        states = "every state" if every else ", ".join(state.value for state in row.states)
        inputs = ", ".join(event.value for event in row.inputs)
        action = "" if row.action is Action.WAIT else row.action.value
        yield f"| {states} | {inputs} | {row.when.value} | {row.then.value} | {action} |"


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python3 -m tests.policy_diagram", description=__doc__
    ).parse_args()
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
