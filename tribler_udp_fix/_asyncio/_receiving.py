"""How a datagram transport of ours reads: what waits, in order, whatever a receive fails of."""

from __future__ import annotations

import collections
import logging
from time import perf_counter, thread_time
from typing import Any

from tribler_udp_fix._asyncio._budget import ErrorBudget
from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._errors import (
    CLASS_OF,
    WSAEMSGSIZE,
    ErrorClass,
    classify,
    number_of,
)
from tribler_udp_fix._asyncio._reporting import Reporting
from tribler_udp_fix._asyncio._turns import DATAGRAMS

# No UDP datagram is larger, so that asyncio's 256 KiB are not allocated to look for one.
LARGEST_DATAGRAM = 65_535

logger = logging.getLogger("tribler_udp_fix")


class Receiving(Reporting):
    """Reads without blocking until nothing waits, then has itself called when something does.

    How to wait is the event loop's own way: ``_wait()`` of a subclass. Nothing of a datagram is
    taken by waiting, so that a wait that is given up, or lost, loses nothing and no order.

    ``heard_bytes`` counts what has been handed to the protocol, ``heard`` the datagrams of these
    that came by the socket there is.
    """

    heard = 0
    heard_bytes = 0
    # The wait that is under way, another one for each; None where waiting takes no future.
    _read_fut: Any = None
    _errors_a_second = 0
    _largest = LARGEST_DATAGRAM
    # From its first error on.
    _error_budget: ErrorBudget | None = None
    # The timer that ends a pause between errors.
    _pause: Any = None
    # Whether several datagrams came at once the last time, so that it is worth looking for more.
    _looks = True
    # What the last wait failed of, in the moment that it began.
    _failed: BaseException | None = None
    # What a socket before this one had received: it comes first, and one in each turn of the loop.
    _kept: Any = ()
    # Who looks for probes that are on their way; while there are none nothing is compared.
    _probes: tuple[Any, ...] = ()
    # Whether no handler finds what another one has set in its context, as with this loop's own.
    _apart = False

    def _read_on(self) -> None:
        """Read what waits, within this turn's share, and then wait for more.

        However it ends, also when the protocol raises, or runs the loop in there: reading goes on.
        """
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._closing or self._paused:
            return
        if self._kept:
            self._turns.enter(self)  # first: the protocol may raise, or run the loop in there
            data, address = self._kept.popleft()
            try:
                self.deliver(data, address, counts=False)  # it says nothing of today's socket
            finally:
                self._turns.let_others()
            return
        if self._gap is not None:
            return
        sock = self._sock
        if sock.gettimeout() != 0:  # the program's own socket: it would keep the loop waiting
            sock.setblocking(False)
        # In the turns first: the protocol may raise, or run the loop in there.
        turns = self._turns
        until = turns.enter_to_read(self)
        try:
            if perf_counter() < until:  # else its share is still to come
                self._read_all(sock, until)
        finally:
            turns.fresh = None

    def _read_all(self, sock: Any, until: float) -> None:
        room = min(self.max_size, self._largest)
        turns, found = self._turns, 0
        ready = turns.ready  # of which one is the next turn of ours
        # Processor time, which a busy machine does not stretch: since the first of a run of errors
        # past the budget, and of all of them. It is asked for rarely: that is a system call.
        run, worked = 0.0, 0.0
        for _ in range(DATAGRAMS if self._fast else 1):
            if self._closing or self._paused or self._sock is not sock or perf_counter() >= until:
                break
            try:
                if self._failed is not None:
                    failed, self._failed = self._failed, None
                    raise failed
                data, address = sock.recvfrom(room)
            except BlockingIOError:
                self._looks = found > 1
                if self._error_budget is not None:
                    self._error_budget.end()
                if self._rest():
                    return
                continue
            except Exception as exc:  # whatever it is, it is reported
                self._looks = True  # an error is followed by others
                if not self._receive_failed(exc):
                    return
                if self._budget().is_spent(perf_counter()) and not run:
                    run = thread_time()
                continue
            if run:
                worked += thread_time() - run
                run = 0.0
            found += 1
            if not self._probes or not any(each.takes(data) for each in self._probes):
                self.heard += 1
                self.heard_bytes += len(data)
                if found > 1 and self._apart:  # the first has the one that is this turn's
                    context = self._own_context.copy()
                    context.run(self._protocol.datagram_received, data, address)
                else:
                    self._protocol.datagram_received(data, address)
            # Where datagrams come one by one, to look for another is a call for nothing.
            if not self._looks and self._rest():
                return
            # As with asyncio: whoever waits for the loop, such as a task that takes this datagram
            # out of a queue, has its turn before the next one.
            if ready is None or len(ready) > 1:
                turns.let_others()
                break
        self._looks = True
        turns.had_share(self)
        if run:
            worked += thread_time() - run
        if worked and not self._closing and self._gap is None:
            delay = self._budget().pause(worked, perf_counter())
            if delay:
                self._stop_reading()
                self._pause = self._loop.call_later(delay, self.read_in_turn)

    def _budget(self) -> ErrorBudget:
        if self._error_budget is None:
            self._error_budget = ErrorBudget(self._errors_a_second)
        return self._error_budget

    def _forget_failed(self) -> None:
        """Count what the last wait failed of: it is not the next socket's."""
        failed, self._failed = self._failed, None
        if isinstance(failed, OSError):
            COUNTERS.error("receive", failed)

    def read_in_turn(self) -> None:
        """Read on in a turn that others have made, as if it were its own: in its own context."""
        # A copy: as asyncio's Proactor, which has no handler find what another one has set there.
        self._own_context.copy().run(self._read_on)

    def _rest(self) -> bool:
        """Wait for more; False where there is something already."""
        gone = self._closing or self._gap is not None
        if not self._paused and (gone or not self._wait()):
            return False
        self._turns.rests(self)
        return True

    def keep(self, datagrams: list[tuple[bytes, Any]]) -> None:
        """Have the protocol hear these, one in each turn, before whatever comes from now on."""
        if datagrams:
            self._kept = collections.deque((*self._kept, *datagrams))
            self._turns.enter(self)
            self._turns.let_others()  # such as whoever waits for what was heard just before

    def deliver(self, data: bytes, address: Any, counts: bool = True) -> None:
        """Have the protocol hear what was received in another way than by reading on."""
        if self._closing or any(each.takes(data) for each in self._probes):
            return
        self.heard += counts
        self.heard_bytes += len(data)
        self._protocol.datagram_received(data, address)

    def _receive_failed(self, exc: BaseException) -> bool:
        """Handle what a receive failed of; whether to go on reading."""
        if self._closing or self._gap is not None:
            return False
        if not isinstance(exc, OSError):  # no memory for the buffer, a loop that is being closed
            self._stop_reading()
            self._fatal_error(exc, "Fatal read error on datagram transport")
            return False
        number = number_of(exc)
        error_class = CLASS_OF.get(number, ErrorClass.UNKNOWN)
        if error_class is ErrorClass.UNBOUND and self._is_unbound():
            self._stop_reading()
            self._awaits_bind = True  # sendto() binds it
            return False
        if error_class is ErrorClass.DEAD or self._sock.fileno() == -1:
            COUNTERS.error_number("receive", number)
            self._stop_reading()
            self._lose(exc)
            return False
        first = COUNTERS.error_number("receive", number, "receives_rearmed")
        if error_class is ErrorClass.UNKNOWN and first:
            logger.warning("%r: unknown receive error, receiving again: %s", self, exc)
        if number == WSAEMSGSIZE:
            COUNTERS.dropped("truncated")
        if error_class is not ErrorClass.OURS:
            self._report(exc, number)
        return True

    def _is_unbound(self) -> bool:
        try:
            self._sock.getsockname()
        except OSError as exc:
            return classify(exc) is ErrorClass.UNBOUND
        return False

    def _wait(self) -> bool:
        """Have ``_read_on()`` called when something waits to be read; False where it does already.

        What a wait fails of in the moment it begins is left in ``_failed``.
        """
        raise NotImplementedError

    def _is_waiting(self) -> bool:
        """Whether a wait is under way, as far as can be seen."""
        raise NotImplementedError

    def _stop_waiting(self) -> None:
        """Give up the wait that is under way, if one is."""
        raise NotImplementedError

    def _stop_reading(self) -> None:
        """Read no more, until somebody says so; what is kept is heard."""
        if not self._kept:
            self._turns.leave(self)
        self._stop_waiting()
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    @property
    def reading(self) -> bool:
        """Whether it waits for a datagram, or is sure to look for one without anybody's help.

        So it is, too, while it pauses after too many errors, and while a socket that was never
        bound waits for the first send. False without a socket, and when it is closing. Whether a
        wait will ever end it cannot tell: that takes a probe.
        """
        if self._closing or self._gap is not None:
            return False
        expected = self._awaits_bind or self._pause is not None or self in self._turns
        expected = expected or self._paused or bool(self._kept)
        return expected or self._is_waiting()

    def rearm(self) -> None:
        """Read now, and wait anew: the wait that is under way may have been lost.

        A lost wait (sleep and resume, a driver's reset) never ends, and nothing says so. Does
        nothing while closing, and, as every method of a transport, belongs into the loop's thread.
        """
        if self._closing or self._paused or self._gap is not None or self in self._turns:
            return
        self._stop_waiting()
        self._turns.enter(self)
