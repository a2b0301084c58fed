"""Asks 10,000 questions over links that lose a tenth of all datagrams, and prints what came of it.

``python tests/windows/requests_over_loss.py [QUESTIONS] [--json]``, on Linux or on Windows. It
takes seconds: the loop's time runs ahead. Sockets, datagrams and IPv8 are real.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

from asking import Node

from tribler_udp_fix import RequestTimeout, testing

QUESTIONS = 10_000
PEERS = 20
AT_ONCE = 100
SHARE = 0.1
DELAY = 0.02  # seconds from a peer back to who asked
SEED = 2026


async def ask_all(questions: int, ways: int, resend: bool) -> dict[str, Any]:
    """What becomes of so many questions, where the network loses datagrams in so many *ways*."""
    asker = await Node().start()
    peers = [await Node().start() for _ in range(PEERS)]
    free = asyncio.Semaphore(AT_ONCE)
    answered = 0

    async def ask(number: int) -> None:
        nonlocal answered
        async with free:
            body = number.to_bytes(4, "big")
            with contextlib.suppress(RequestTimeout):
                node = peers[number % PEERS]
                assert await asker.ask_unsigned(node, body, resend=resend) == body
                answered += 1

    with contextlib.ExitStack() as stack:
        network = stack.enter_context(testing.lossy_network(asker.endpoint, SHARE, SEED))
        for number, node in enumerate(peers):
            stack.enter_context(testing.late_answers(node.endpoint, DELAY))
            if ways == 2:
                stack.enter_context(testing.lossy_network(node.endpoint, SHARE, number))
        await asyncio.gather(*(ask(number) for number in range(questions)))
    handled = [body for node in peers for body in node.community.handled]
    for node in (asker, *peers):
        await node.stop()
    return {
        "ways": ways,
        "resend": resend,
        "questions": questions,
        "answered": answered,
        "sent": network.sent,
        "handled twice": len(handled) - len(set(handled)),
    }


def run(questions: int) -> list[dict[str, Any]]:
    """Each of the four ways to lose and to ask."""
    rows = []
    for ways in (1, 2):
        for resend in (False, True):
            loop = testing.fast_loop(patience=0.05)
            try:
                rows.append(loop.run_until_complete(ask_all(questions, ways, resend)))
            finally:
                loop.close()
    return rows


HEAD = """\
| a tenth is lost of | resends | answered | datagrams per question | per answer | handled twice |
|---|---|---|---|---|---|"""


def main(arguments: list[str]) -> None:
    numbers = [int(word) for word in arguments if word.isdigit()]
    rows = run(*numbers or [QUESTIONS])
    if "--json" in arguments:
        print(json.dumps(rows))
        return
    print(HEAD)
    for row in rows:
        asked, answered, sent = row["questions"], row["answered"], row["sent"]
        lost = "what the asker sends" if row["ways"] == 1 else "what both send"
        cells = ["yes" if row["resend"] else "no", f"{answered / asked:.1%}"]
        cells += [f"{sent / asked:.3f}", f"{sent / answered:.3f}", str(row["handled twice"])]
        print(f"| {lost} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
