"""One live trial for each fault of asyncio's datagram transports, F1 to F10 and F23.

A trial opens sockets on the loopback interface, provokes one fault on the running
interpreter's event loop as it is, and says what was seen. Nothing is installed here and
nothing outside the standard library is needed, so that a trial measures a stock interpreter,
a repaired one, or another event loop alike. The reference is SelectorEventLoop: every trial
finds it healthy but F9's, where its ``sock_recvfrom`` raises.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import time
import warnings
from typing import Awaitable, Callable, Iterable, NamedTuple, Tuple

from . import _receiving, _sending
from ._stage import ABSENT, HEALTHY, SUFFERS, UNKNOWN, Stage, Undecided

__all__ = ["ABSENT", "HEALTHY", "SUFFERS", "TRIALS", "UNKNOWN", "Outcome", "run_trials"]

Trial = Callable[[Stage], Awaitable[Tuple[str, str]]]

TRIALS: dict[str, Trial] = {
    "F1": _receiving.one_error_while_a_receive_waits,
    "F2": _receiving.several_errors_while_no_receive_waits,
    "F3": _receiving.errors_on_a_connected_socket,
    "F4": _receiving.a_truncated_datagram,
    "F5": _sending.a_write_error_in_the_middle_of_the_queue,
    "F6": _sending.close_with_a_queue,
    "F7": _sending.the_write_buffer_empties,
    "F8": _receiving.an_empty_datagram,
    "F9": _receiving.sock_recvfrom_after_errors,
    "F10": _sending.an_ipv6_address_as_a_pair,
    "F23": _sending.a_remote_address_that_may_be_a_broadcast,
}


class Outcome(NamedTuple):
    """What one trial found."""

    fault: str
    """The fault's number in the catalogue, such as "F1"."""
    verdict: str
    """"healthy", "suffers", "unknown" or "absent"."""
    observed: str
    """One short sentence: what was seen."""
    seconds: float
    """How long the trial took."""


def run_trials(
    faults: Iterable[str] | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    time_limit: float = 5.0,
) -> list[Outcome]:
    """Try each fault live and return one outcome for each, in the order asked for.

    ``faults`` are numbers of the catalogue, all of them by default. ``loop_factory`` makes
    the event loop to try, ``asyncio.ProactorEventLoop`` by default; where there is none every
    verdict is "absent". ``time_limit`` is in seconds, for each trial: one that takes longer,
    or fails in a way of its own, is "unknown" with the reason, and never raises here.

    Each trial has an event loop and a thread of its own, so this can be called while an event
    loop runs in the calling thread; it blocks that thread for about two seconds.

    Raises ValueError for a fault that has no trial.
    """
    chosen = list(TRIALS) if faults is None else list(faults)
    for fault in chosen:
        if fault not in TRIALS:
            raise ValueError(f"no trial for {fault!r}: the faults are {', '.join(TRIALS)}")
    if loop_factory is None:
        loop_factory = getattr(asyncio, "ProactorEventLoop", None)
    if loop_factory is None:
        return [Outcome(fault, ABSENT, "no ProactorEventLoop here", 0.0) for fault in chosen]
    return [_run(fault, loop_factory, time_limit) for fault in chosen]


def _run(
    fault: str, loop_factory: Callable[[], asyncio.AbstractEventLoop], time_limit: float
) -> Outcome:
    found: list[tuple[str, str]] = []
    body = functools.partial(_run_in_thread, TRIALS[fault], loop_factory, time_limit, found)
    # A daemon: a call into the system that never returns must not keep the interpreter.
    thread = threading.Thread(target=body, name=f"trial {fault}", daemon=True)
    start = time.monotonic()
    thread.start()
    while thread.is_alive() and time.monotonic() - start < time_limit + 2.0:
        thread.join(0.1)  # in slices: on Windows a join cannot be interrupted by Ctrl-C
    seconds = time.monotonic() - start
    verdict, observed = found[0] if found else (UNKNOWN, f"hung for {seconds:.1f} s")
    return Outcome(fault, verdict, observed, round(seconds, 3))


def _run_in_thread(
    trial: Trial,
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    time_limit: float,
    found: list[tuple[str, str]],
) -> None:
    try:
        loop = loop_factory()
        try:
            asyncio.set_event_loop(loop)
            found.append(loop.run_until_complete(_run_in_loop(trial, time_limit)))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
        # F6 leaves a transport that nothing can close before 3.11; do not let it complain.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    except Exception as exc:  # told as the trial's outcome
        found.append((UNKNOWN, f"the trial failed: {exc!r}"))


async def _run_in_loop(trial: Trial, time_limit: float) -> tuple[str, str]:
    stage = Stage()
    try:
        verdict, observed = await asyncio.wait_for(trial(stage), time_limit)
    except asyncio.TimeoutError:
        return UNKNOWN, f"the trial did not end within {time_limit:g} s"
    except Undecided as exc:
        return UNKNOWN, str(exc)
    finally:
        await stage.close()
    if verdict == HEALTHY and stage.problems:
        return SUFFERS, f"{observed}; the loop's exception handler was told {stage.problems[0]}"
    return verdict, observed
