"""What is measured: each function measures one contender once, and returns figures by name."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Callable, Dict, Mapping, NamedTuple

from .contenders import Child, processor_seconds

MICRO = 1e6
SIZES = (64, 500, 1400)
IN_FLIGHT = (1, 32)
DATAGRAMS = 3000  # one way
ERRORS, GOOD = 2000, 200

Figures = Dict[str, float]


class Bench(NamedTuple):
    """What a measurement has: the event loop, the other end, wineserver's process id."""

    subject: Child
    peer: Child
    server: int


class Scenario(NamedTuple):
    """One measurement, and the figures that it returns: titles, and whether more is better."""

    title: str
    measure: Callable[[Bench], Figures]
    figures: dict[str, tuple[str, bool]]
    # A process of its own for each measurement, with these variables where the plugin is on.
    fresh: bool = False
    variables: Mapping[str, str] = MappingProxyType({})
    needs_ipv8: bool = False
    # It takes minutes: only where it is asked for.
    by_name_only: bool = False


def echo(size: int, in_flight: int, seconds: float = 0.5) -> Callable[[Bench], Figures]:
    """Datagrams there and back, for some seconds."""

    def measure(bench: Bench) -> Figures:
        port = bench.subject.ask("echo")["port"]
        before = bench.subject.processor_seconds(), processor_seconds(bench.server)
        answer = bench.peer.ask("echo", port=port, size=size, in_flight=in_flight, seconds=seconds)
        after = bench.subject.processor_seconds(), processor_seconds(bench.server)
        bench.subject.hear()
        own, server = (later - earlier for earlier, later in zip(before, after))
        figures = {
            "rate": answer["rate"],
            "cpu": own / answer["count"] * MICRO,
            "cpu_all": (own + server) / answer["count"] * MICRO,
        }
        if in_flight == 1:
            figures.update(median=answer["median"] * MICRO, p99=answer["p99"] * MICRO)
        return figures

    return measure


def receive(bench: Bench) -> Figures:
    """Datagrams that only come, more of them than the loop can take."""
    port = bench.subject.ask("receive")["port"]
    before = bench.subject.processor_seconds()
    bench.peer.ask("flood", port=port, size=500, datagrams=DATAGRAMS)
    answer = bench.subject.hear()
    cpu = bench.subject.processor_seconds() - before
    return {"rate": answer["rate"], "cpu": cpu / answer["count"] * MICRO}


def send(bench: Bench) -> Figures:
    """Datagrams that only go, as fast as the transport takes them."""
    port = bench.peer.ask("sink", datagrams=DATAGRAMS)["port"]
    before = bench.subject.processor_seconds()
    bench.subject.tell("send", port=port, size=500, datagrams=DATAGRAMS)
    answer = bench.peer.hear()
    bench.subject.hear()
    cpu = bench.subject.processor_seconds() - before
    return {"rate": answer["rate"], "cpu": cpu / answer["count"] * MICRO}


def storm(bench: Bench) -> Figures:
    """ICMP errors among good datagrams; deaf is who hears not all of these."""
    answer = bench.subject.ask("storm", errors=ERRORS, datagrams=GOOD)
    heard = answer["heard"]
    return {
        "heard": heard / GOOD,
        "told": answer["told"] / answer["provoked"],
        "rate": answer["provoked"] / answer["seconds"] if heard == GOOD else 0.0,
    }


def flood(endpoints: int, work: float, seconds: float = 2.0) -> Callable[[Bench], Figures]:
    """How late a sleep is while so many endpoints are flooded."""

    def measure(bench: Bench) -> Figures:
        told = bench.subject.ask("flooded", endpoints=endpoints, work=work, seconds=seconds)
        bench.peer.tell("flood_all", ports=told["ports"], seconds=seconds + 0.5)
        answer = bench.subject.hear()
        bench.peer.hear()
        return {"late": answer["late"] * 1000, "heard": answer["heard"], "least": answer["least"]}

    return measure


def errors_beside(seconds: float) -> Callable[[Bench], Figures]:
    """ICMP errors and good datagrams, each at their rate, for some seconds."""

    def measure(bench: Bench) -> Figures:
        rates = {"errors": 2000, "datagrams": 20}
        answer = bench.subject.ask("errors_beside", seconds=seconds, **rates)
        return {**answer, "p99": answer["p99"] * 1000}

    return measure


def memory(endpoints: int) -> Callable[[Bench], Figures]:
    """The peak of memory with so many endpoints."""

    def measure(bench: Bench) -> Figures:
        answer: dict[str, Any] = bench.subject.ask("memory", endpoints=endpoints)
        return {name: value / 2**20 for name, value in answer.items()}

    return measure


def ipv8(signed: bool) -> Callable[[Bench], Figures]:
    """Messages between two IPv8 communities on one event loop, 32 in flight."""

    def measure(bench: Bench) -> Figures:
        answer = bench.subject.ask("ipv8", seconds=0.5, in_flight=32, signed=signed)
        return {"rate": answer["rate"]}

    return measure


RATE = ("a second", True)
CPU = ("µs of CPU", False)
SCENARIOS: dict[str, Scenario] = {
    **{
        f"echo-{size}-{in_flight}": Scenario(
            f"echo, {size:,} bytes, {in_flight} in flight",
            echo(size, in_flight),
            {
                "rate": RATE,
                "cpu": CPU,
                "cpu_all": ("µs of CPU, wineserver's too", False),
                **(
                    {"median": ("µs at the median", False), "p99": ("µs at p99", False)}
                    if in_flight == 1
                    else {}
                ),
            },
        )
        for in_flight in IN_FLIGHT
        for size in SIZES
    },
    "receive": Scenario("receive only, 500 bytes", receive, {"rate": RATE, "cpu": CPU}),
    "send": Scenario("send only, 500 bytes", send, {"rate": RATE, "cpu": CPU}),
    "storm": Scenario(
        f"{ERRORS:,} ICMP errors among {GOOD} datagrams",
        storm,
        {
            "rate": ("errors a second, none deaf", True),
            "heard": ("of the datagrams heard", True),
            "told": ("of the errors told to the protocol", True),
        },
        fresh=True,
    ),
    **{
        f"flood-{endpoints}{'-slow' if work else ''}": Scenario(
            f"{endpoints} endpoints flooded{', handlers of 200 µs' if work else ''}",
            flood(endpoints, work),
            {
                "late": ("ms that a sleep of 20 ms is late, at the median", False),
                "heard": ("datagrams heard", True),
                "least": ("datagrams heard by the one that heard least", True),
            },
            fresh=True,
            by_name_only=True,
        )
        for endpoints in (20, 100)
        for work in (0.0, 0.0002)
    },
    "errors-45": Scenario(
        "2,000 ICMP errors and 20 datagrams a second, 45 s",
        errors_beside(45),
        {
            "heard": ("of the datagrams heard", True),
            "p99": ("ms until one is heard, at p99", False),
            "errors": ("of the errors told to the protocol", True),
            "kept": ("1 where its socket was not replaced", True),
        },
        fresh=True,
        variables={"TRIBLER_UDP_FIX_WATCH": "all"},
        by_name_only=True,
    ),
    **{
        f"memory-{endpoints}": Scenario(
            f"memory, {endpoints} endpoint{'s' if endpoints > 1 else ''}",
            memory(endpoints),
            {
                "traced": ("MiB of Python objects and receive buffers", False),
                "working_set": ("MiB of working set", False),
                "private": ("MiB committed", False),
            },
            fresh=True,
        )
        for endpoints in (1, 500)
    },
    **{
        f"ipv8-{'signed' if signed else 'unsigned'}": Scenario(
            f"IPv8 messages, {'signed' if signed else 'unsigned'}",
            ipv8(signed),
            {"rate": RATE},
            needs_ipv8=True,
        )
        for signed in (False, True)
    },
}
