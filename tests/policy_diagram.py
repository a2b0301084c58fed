"""Draws the policies' tables into their pages: ``python3 -m tests.policy_diagram``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, Iterator

from tribler_udp_fix._peers import _heartbeat_policy
from tribler_udp_fix._watchdog import _policy

DOCS = Path(__file__).parent.parent / "docs"
# By page: the table that it shows, and the state in which its subject begins.
POLICIES: dict[Path, tuple[Any, Any]] = {
    DOCS / "watchdog.md": (_policy, _policy.State.HEALTHY),
    DOCS / "peers.md": (_heartbeat_policy, _heartbeat_policy.PeerState.ALIVE),
}


def renewed(page: Path) -> str:
    """The page, with the diagram and the table as they are now."""
    text = page.read_text(encoding="utf-8")
    policy, first = POLICIES[page]
    for name, lines in (
        ("diagram", diagram(policy.TABLE, first)),
        ("table", table(policy.TABLE, type(first))),
    ):
        block = "\n".join((f"<!-- {name} -->", *lines, f"<!-- end of {name} -->"))
        pattern = f"<!-- {name} -->.*<!-- end of {name} -->"
        text = re.sub(pattern, lambda _, block=block: block, text, flags=re.DOTALL)  # type: ignore[misc]
    return text


def diagram(rows: Any, first: Any) -> Iterator[str]:
    """The table as a Mermaid state diagram. Staying, and an owner's closing, are left out."""
    every = type(first)
    arrows: dict[tuple[Any, Any], list[str]] = {}
    for row in rows:
        for state in row.states:
            if state is not row.then and row.inputs != (_policy.Input.CLOSED,):
                inputs = ", ".join(event.value for event in row.inputs)
                when = f" [{row.when.value}]" if row.when.value else ""
                arrows.setdefault((state, row.then), []).append(inputs + when)
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from (f'    state "{state.value}" as {state.name}' for state in every)
    yield f"    [*] --> {first.name}"
    for (before, after), labels in arrows.items():
        yield f"    {before.name} --> {after.name}: {' / '.join(labels)}"
    yield "```"


def table(rows: Any, every: Any) -> Iterator[str]:
    """The table itself."""
    yield "| in | on | if | then | do |"
    yield "|---|---|---|---|---|"
    for row in rows:
        states = (
            "every state"
            if set(row.states) == set(every)
            else ", ".join(state.value for state in row.states)
        )
        inputs = ", ".join(event.value for event in row.inputs)
        action = "" if row.action.value == "wait" else row.action.value
        yield f"| {states} | {inputs} | {row.when.value} | {row.then.value} | {action} |"


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python3 -m tests.policy_diagram", description=__doc__
    ).parse_args()
    for page in POLICIES:
        page.write_text(renewed(page), encoding="utf-8")
