"""Compares what random sequences show on our transports with what SelectorEventLoop's own show.

``python compared.py [--sequences N] [--seed N]`` prints the sequences that differ from the
transport of SelectorEventLoop as CPython made it.

The differences that are intended, and so are left out of the comparison:

- What is no address (port 70000) costs its datagram and one ``error_received(OSError)``; there
  SelectorEventLoop ends the transport. So the reference does not send it.
- ICMP errors that wait in a socket at the moment when it is replaced are not reported.
- On the Proactor the datagram that a full socket has not taken yet is with the system, not in the
  write buffer, and leaves as soon as it can: the protocol may be paused one datagram later, and
  ``abort()`` finds fewer left to drop. With ``fast_path=0`` all is queued, and it finds more.
- One turn reads all that waits, and sends on after an error: an answer may leave, and the queue be
  empty, some turns earlier than with SelectorEventLoop. So it is not the same datagrams that wait
  at ``abort()``, and when a protocol is paused is compared only where neither is at play. Nor is
  it the same moment from which one that is connected sends no more after ``close()``.
- What is sent after ``connection_lost()`` is dropped and counted; there SelectorEventLoop raises
  AttributeError. So nothing is sent then.

Pausing, which asyncio has on SelectorEventLoop since 3.12, is tried in test_like_asyncio.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from sequences import LATE, Player, Sequence, sequence

import tribler_udp_fix
from tribler_udp_fix._asyncio._upstream import has_fault


def difference(
    played: Sequence, stock: Any, ours: Any, on_proactor: bool, at_once: bool
) -> str | None:
    """How what *ours* showed differs from *stock*, or None; whether ours sends *at_once*."""
    (expected, lost), (found, also_lost) = stock, ours
    if lost != [None] or also_lost != [None]:
        return f"connection_lost: {also_lost}, stock {lost}"
    if len(expected) != len(found):
        return "not as many phases"
    steps = iter(played.steps)
    grows = on_proactor or has_fault(
        "F7"
    )  # so does the Selector's write buffer on 3.13.0 to 3.13.5
    for number, (a, b) in enumerate(zip(expected[:-1], found[:-1])):
        done: list[str] = []
        for step, _ in steps:
            if step in ("settle", "peer leaves for a while"):
                break
            done.append(step)
        odd = done.count("send oddly") if played.kind == "bound" else 0
        shifts = {"send too much", "hear and answer"}
        rebound = "rebind" in done and played.kind != "connected"
        same = (
            a.heard == b.heard
            and (a.unreachable == b.unreachable or (rebound and b.unreachable < a.unreachable))
            and a.too_large == b.too_large
            and b.odd == a.odd + odd
            and b.paused == b.resumed
            and (grows or shifts & set(done) or bool(a.paused) == bool(b.paused))
            and (a.sent, a.answers) == (b.sent, b.answers)
        )
        if not same:
            return f"phase {number}, {done}:\n  {b}\n  stock {a}"
    a, b = expected[-1], found[-1]
    if "abort" in played.end and not at_once:
        numbers = [_number(data) for data in b.sent if data]
        fits = numbers == sorted(set(numbers))
    elif "abort" in played.end:
        least = min(len(a.sent), len(b.sent))
        fits = a.sent[:least] == b.sent[:least]
    else:
        either = [LATE] if played.kind != "bound" else []
        both = [[data for data in sent if data not in either] for sent in (a.sent, b.sent)]
        fits = both[0] == both[1] and a.too_large == b.too_large
    return None if fits else f"the end, {played.end}:\n  {b}\n  stock {a}"


def _number(data: bytes) -> int:
    """Which of those that were sent it is."""
    return int(data.rstrip(b"\0").split()[-1])


def outcomes(make_loop: Any, sequences: list[Sequence], ours: bool) -> list[Any]:
    """What each of the *sequences* shows, on one event loop."""
    loop = make_loop()
    loop.set_exception_handler(lambda *_: None)  # of those that raise
    found: list[Any] = []
    try:
        for each in sequences:
            try:
                found.append(loop.run_until_complete(Player(each, ours).play()))
            except AssertionError as exc:
                found.append(([], [f"{exc}"]))
    finally:
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
    return found


def differences(
    make_loop: Any, sequences: list[Sequence], stock: list[Any], fast_path: bool = True
) -> list[str]:
    """Those of *sequences* that the plugin's transports show otherwise, each with how."""
    tribler_udp_fix.install(tribler_udp_fix.Settings(fast_path=fast_path))
    try:
        ours = outcomes(make_loop, sequences, ours=True)
    finally:
        tribler_udp_fix.install(tribler_udp_fix.Settings())
        tribler_udp_fix.uninstall()
    on_proactor = make_loop is not asyncio.SelectorEventLoop
    told = []
    for played, expected, found in zip(sequences, stock, ours):
        how = difference(played, expected, found, on_proactor, fast_path)
        if how is not None:
            told.append(f"{played.number} ({played.kind}): {how}")
    return told


def main() -> int:
    """The command line; the exit status is 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0, help="the first one's number")
    given = parser.parse_args()
    assert sys.platform == "win32"
    sequences = [sequence(given.seed + number) for number in range(given.sequences)]
    stock = outcomes(asyncio.SelectorEventLoop, sequences, ours=False)
    found = {
        "Proactor": differences(asyncio.ProactorEventLoop, sequences, stock),
        "Proactor, fast_path=0": differences(asyncio.ProactorEventLoop, sequences, stock, False),
        "Selector": differences(asyncio.SelectorEventLoop, sequences, stock),
    }
    print(json.dumps({name: len(each) for name, each in found.items()}))
    for name, each in found.items():
        for line in each[:5]:
            print(f"{name}: {line}".replace("\\x00", ""))
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
