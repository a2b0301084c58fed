"""Two IPv8 communities that talk while each endpoint suffers every fault in turn, at random.

``python soak.py SECONDS SEED`` prints the account as JSON: of each message that was not heard, why.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
import sys
import time
from typing import Any, Callable, ContextManager, NamedTuple

from communities import service

import tribler_udp_fix
from tribler_udp_fix import Settings
from tribler_udp_fix._watchdog._events import Event, EventKind, listeners
from tribler_udp_fix.testing import (
    changed_addresses,
    clock_jump,
    dead_reader,
    departed_peer,
    failing_sends,
    lost_completion,
    raising_handler,
    starved_loop,
    taken_port,
    wakeup_end,
    wakeup_reset,
)

PAUSE = 0.1  # seconds between two messages of one community
SETTLE = 0.5  # seconds after a fault in which what was on its way may still be missed
WSAENOBUFS = 10055

# Quicker than the defaults, so that three minutes hold every fault.
SETTINGS = Settings(probe_after=1.0, probe_timeout=0.4, probe_misses=2, retry_cap=2.0)


class Fault(NamedTuple):
    """One fault: how to inject it, and for how long; None is until the endpoint hears again."""

    inject: Callable[[Any], ContextManager[Any]]
    seconds: float | None = None


@contextlib.contextmanager
def peers_that_left(leaf: Any) -> Any:
    for _ in range(20):
        with departed_peer(leaf.SOCKET_FAMILY) as address:
            leaf.send(address[:2], b"an answer")
    yield


@contextlib.contextmanager
def rebind_into_a_taken_port(leaf: Any) -> Any:
    with taken_port(leaf) as thief, lost_completion(leaf, until="rebind"):
        loop = asyncio.get_running_loop()

        def give_back() -> None:
            if thief.taken:
                loop.call_later(1.0, thief.release)
            else:
                loop.call_later(PAUSE, give_back)

        give_back()
        yield


def of_the_loop(injury: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda _leaf: injury(asyncio.get_running_loop())


FAULTS: dict[str, Fault] = {
    "peers that left": Fault(peers_that_left, 1.0),
    "dead reader": Fault(dead_reader),
    "lost completion": Fault(lost_completion),
    "only another socket helps": Fault(lambda leaf: lost_completion(leaf, until="rebind")),
    "taken port": Fault(rebind_into_a_taken_port),
    "failing sends": Fault(lambda leaf: failing_sends(leaf, WSAENOBUFS), 1.0),
    "starved loop": Fault(lambda _leaf: starved_loop(0.3, pause=0.05), 2.0),
    "raising handler": Fault(raising_handler, 1.0),
    "clock jump": Fault(lambda _leaf: clock_jump(), 2.0),
    "other addresses": Fault(lambda _leaf: changed_addresses(), 2.0),
    "wake-up reset": Fault(of_the_loop(wakeup_reset), 1.0),
    "wake-up at its end": Fault(of_the_loop(wakeup_end), 1.0),
}


# Those that lose messages: what they fail to send, or what is in a socket that only closing helps.
# A dead reader may take along the one datagram that was arriving.
LOSING = {
    ("sender", "failing sends"),
    ("receiver", "lost completion"),
    ("receiver", "only another socket helps"),
    ("receiver", "taken port"),
    ("receiver", "dead reader"),
}


class Window(NamedTuple):
    """When an endpoint suffered a fault, and what was sent to or from it may be missed."""

    fault: str
    start: float
    end: float


class Talker:
    """One of the two."""

    def __init__(self) -> None:
        self.ipv8 = service(["UDPIPv4"])
        self.community = self.ipv8.overlays[0]
        self.sent: list[float] = []
        self.windows: list[Window] = []
        self.gaps: list[tuple[float, float]] = []  # times in which it had no socket

    async def start(self) -> None:
        await self.ipv8.start()
        (self.leaf,) = self.ipv8.endpoint.interfaces.values()
        self.address = self.leaf.get_address()

    def say(self, other: Talker) -> None:
        self.community.say(other.address, b"%d" % len(self.sent))
        self.sent.append(asyncio.get_running_loop().time())

    def note_gap(self, event: Event) -> None:
        rebinds = (EventKind.REBOUND, EventKind.REBIND_FAILED)
        if event.kind in rebinds and event.seconds and event.port == self.address[1]:
            end = asyncio.get_running_loop().time() - (time.time() - event.at)
            self.gaps.append((end - event.seconds, end))

    def left(self, at: float) -> float:
        """When a message that was said then went to the other: what waits for a socket, later."""
        return max([at, *(end for start, end in self.gaps if start - PAUSE <= at <= end)])

    async def suffer(self, name: str, other: Talker) -> None:
        """Suffer one fault."""
        loop = asyncio.get_running_loop()
        start, said = loop.time(), len(other.sent)
        fault = FAULTS[name]
        with fault.inject(self.leaf):
            if fault.seconds is not None:
                await asyncio.sleep(fault.seconds)
            else:
                while not any(int(data) > said for data in self.community.heard[-20:]):
                    assert loop.time() < start + 60, f"deaf for ever: {name}"
                    await asyncio.sleep(0.02)
        self.windows.append(Window(name, start, loop.time() + SETTLE))


async def soak(seconds: float, seed: int) -> dict[str, Any]:
    """Talk and suffer for so many seconds, and give the account."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # what the handlers and the wake-up raise
    both = Talker(), Talker()
    for talker in both:
        await talker.start()
        listeners.append(talker.note_gap)
    end = loop.time() + seconds

    async def talk() -> None:
        while loop.time() < end:
            both[0].say(both[1])
            both[1].say(both[0])
            await asyncio.sleep(PAUSE)

    async def suffer(talker: Talker, other: Talker, dice: random.Random) -> None:
        await asyncio.sleep(1.0)
        waiting: list[str] = []
        while loop.time() < end - 20:
            if not waiting:
                waiting = dice.sample(sorted(FAULTS), len(FAULTS))
            await talker.suffer(waiting.pop(), other)
            await asyncio.sleep(SETTLE + dice.random())

    await asyncio.gather(
        talk(),
        suffer(both[0], both[1], random.Random(seed)),
        suffer(both[1], both[0], random.Random(seed + 1)),
    )
    await asyncio.sleep(1.0)
    account = [_account(sender, receiver) for sender, receiver in (both, both[::-1])]
    watchdogs = tribler_udp_fix.status().watchdogs
    for talker in both:
        listeners.remove(talker.note_gap)
        await talker.ipv8.stop()
    account_of: dict[str, Any] = {
        "messages": account,
        "faults": [dict(collections.Counter(w.fault for w in talker.windows)) for talker in both],
        "rebinds": [dog.endpoints[0].rebinds for dog in watchdogs],
        "rearms": [dog.endpoints[0].rearms for dog in watchdogs],
        "wakeups_renewed": sum(dog.wakeups_renewed for dog in watchdogs),
        "ports_kept": all(talker.address[1] == talker.leaf._port for talker in both),
    }
    account_of["as_promised"] = (
        account_of["ports_kept"]
        and all(talks["last_ten_heard"] and not talks["unaccounted"] for talks in account)
        and all(set(faults) == set(FAULTS) for faults in account_of["faults"])
        and all(
            talks["missed"].get("receiver: dead reader", 0) <= faults["dead reader"]
            for talks, faults in zip(account, account_of["faults"][::-1])
        )
    )
    return account_of


def _account(sender: Talker, receiver: Talker) -> dict[str, Any]:
    heard = {int(data) for data in receiver.community.heard}
    missed = [number for number in range(len(sender.sent)) if number not in heard]
    why = collections.Counter(_why(sender.sent[number], sender, receiver) for number in missed)
    return {
        "sent": len(sender.sent),
        "heard": len(heard),
        "missed": dict(why),
        "unaccounted": why.get("", 0),
        "last_ten_heard": all(n in heard for n in range(len(sender.sent) - 10, len(sender.sent))),
    }


def _why(at: float, sender: Talker, receiver: Talker) -> str:
    """The fault that lost a message said then, of its sender or its receiver; or ""."""
    left = sender.left(at)
    for who, talker in (("sender", sender), ("receiver", receiver)):
        for window in talker.windows:
            if (who, window.fault) in LOSING and window.start - PAUSE <= left and at <= window.end:
                return f"{who}: {window.fault}"
    return ""


def main(seconds: float, seed: int) -> None:
    assert sys.platform == "win32"
    tribler_udp_fix.install(SETTINGS)
    loop = asyncio.ProactorEventLoop()
    asyncio.set_event_loop(loop)
    print(json.dumps(loop.run_until_complete(soak(seconds, seed))))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
