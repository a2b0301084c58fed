"""Watches the peers of an IPv8 instance: who is alive, who is quiet, and who has gone."""

from __future__ import annotations

import asyncio
import logging
import time
from operator import attrgetter
from typing import Any, Callable

from tribler_udp_fix._arguments import require_callback
from tribler_udp_fix._ipv8._error_counts import count_behind
from tribler_udp_fix._ipv8._listener import listener
from tribler_udp_fix._peers._allowed import check_peer, check_seconds
from tribler_udp_fix._peers._departed import Departed
from tribler_udp_fix._peers._heartbeat_policy import PAUSE, SILENCE, Action, Input, PeerState
from tribler_udp_fix._peers._monitored import Monitored
from tribler_udp_fix._peers._observer import Observer, key_of
from tribler_udp_fix._peers._pace import Pace
from tribler_udp_fix._peers._peer_events import PeerEvent, PeerEventKind, PeersStatus
from tribler_udp_fix._peers._questions import Questions, claimed_key
from tribler_udp_fix._peers._summary import status_of
from tribler_udp_fix._peers._traffic import Traffic
from tribler_udp_fix._settings import Settings, settings_for
from tribler_udp_fix._watchdog._proof import Proof, proof_of

TICK = 0.5  # seconds between two looks
LATE = 1.0  # seconds by which a look is late, and the loop in doubt
ALONE = 15.0  # seconds without any peer after which nobody is judged
WITNESS = 5.0  # seconds without any peer after which another one is asked, before one is judged

logger = logging.getLogger("tribler_udp_fix.peers")

running: set[PeerMonitor] = set()
"""The monitors between ``start()`` and ``stop()``, of every event loop in the process."""


class PeerMonitor:
    """Asks the peers of *ipv8* whether they are there, by IPv8's own messages.

    *ipv8* is an instance that has started; or anything that has its ``endpoint``, ``network`` and
    ``overlays``. *on_event* is called with each ``PeerEvent``, on the event loop. *settings* are by
    default those of ``tribler_udp_fix.install()``. *clock* returns seconds, and never goes back.

    Use it as an asynchronous context manager, or call ``start()`` and ``stop()`` on the loop that
    the endpoint was opened on. It attaches by IPv8's public hooks, and replaces nothing.
    Raises TypeError where *ipv8* or another argument is none of these, and ``start()`` where the
    endpoint is none of IPv8's.
    """

    def __init__(
        self,
        ipv8: Any,
        on_event: Callable[[PeerEvent], object] | None = None,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not all(hasattr(ipv8, name) for name in ("endpoint", "network", "overlays")):
            allowed = "an IPv8 instance, or what has its endpoint, network and overlays"
            raise TypeError(f"ipv8={ipv8!r}: allowed is {allowed}")
        require_callback(on_event)
        self._ipv8 = ipv8
        self._told = on_event
        self._settings = settings_for(settings)
        self._clock = clock
        self._questions = Questions(ipv8)
        self._peers: dict[bytes, Monitored] = {}
        self._traffic = Traffic()
        self._living = 0  # peers that can be asked and have not gone, at the last look
        self._pace = Pace()
        self._departed = Departed()
        self._observer = Observer(ipv8.network)
        self._counts = dict.fromkeys(PeerEventKind, 0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._listener: Any = None
        self._looked = self._heard = self._witnessed = 0.0
        self._errors = 0
        self._doubted = False
        self._proofs: dict[bool, Proof | None] = {}

    async def __aenter__(self) -> PeerMonitor:
        """Start to watch."""
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Watch from now on. Call it on the running event loop; twice is once."""
        forget_closed()
        if self in running:
            return
        self._loop = asyncio.get_running_loop()
        self._looked = self._heard = self._witnessed = self._clock()
        self._errors = count_behind(self._ipv8.endpoint)
        self._questions.renew()
        self._listener = listener(self._ipv8.endpoint, self._on_packet)
        self._observer.start()
        self._ipv8.endpoint.add_listener(self._listener)
        running.add(self)
        self._schedule()

    def stop(self) -> None:
        """Watch no more, and leave no trace; twice is once."""
        if self not in running:
            return
        running.discard(self)
        assert self._timer is not None
        self._timer.cancel()
        self._observer.stop()
        self._ipv8.endpoint.remove_listener(self._listener)
        for one in self._peers.values():
            self._forget(one)
        self._forget_all()

    def _forget_all(self) -> None:
        self._peers.clear()
        self._traffic.clear()
        self._departed.clear()  # whoever is there at the next start has not returned by that

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it runs on; None before ``start()``."""
        return self._loop

    @property
    def is_over(self) -> bool:
        """Whether its event loop was closed."""
        return self._loop is not None and self._loop.is_closed()

    def stop_soon(self) -> None:
        """Have it stopped on its own event loop; from any thread, and without waiting."""
        forget_closed()
        if self in running and self._loop is not None:
            self._loop.call_soon_threadsafe(self.stop)

    def state(self, peer: Any) -> PeerState | None:
        """How *peer*, an IPv8 ``Peer``, is doing; None where IPv8's network does not know it.

        One that has gone has gone from where it was: at another address it is not known either.
        """
        check_peer(peer)
        self._take_changes()
        key = key_of(peer)
        found = self._peers.get(key)
        if found is None:
            holds = self._departed.holds(key, peer.address, self._clock())
            return PeerState.GONE if holds else None
        state = found.policy.state
        is_elsewhere = state is PeerState.GONE and not found.is_at(tuple(peer.address))
        return None if is_elsewhere else state

    def rtt(self, peer: Any) -> float | None:
        """The mean round trip of *peer*'s answers to pings, in seconds; None where it has none."""
        check_peer(peer)
        found = self._peers.get(key_of(peer))
        return found.rtt if found is not None else None

    async def check(self, peer: Any, timeout: float = 5.0) -> bool:
        """Ask *peer* now, once a second; whether it has proved to be there in *timeout* seconds.

        One that has not is not gone by that: ``state()`` tells. Raises ValueError where IPv8's
        network does not know the peer, and RuntimeError where the monitor does not run.
        """
        check_peer(peer)
        check_seconds("timeout", timeout)
        if self not in running:
            raise RuntimeError("the monitor has not been started, or was stopped")
        self._take_changes()
        found = self._peers.get(key_of(peer))
        if found is None:
            raise ValueError(f"{peer!r}: allowed is a peer that IPv8's network knows")
        loop = asyncio.get_running_loop()
        end, asked = loop.time() + timeout, 0
        proof: asyncio.Future[None] = loop.create_future()
        found.asking.append(proof)
        try:
            while not proof.done() and loop.time() < end:
                self._feed(found, Input.ASKED, self._clock())
                asked += 1
                if asked == 2:  # it may be one that answers no pings
                    self._ask(found, Action.INTRODUCE, self._clock())
                await asyncio.wait({proof}, timeout=min(PAUSE, end - loop.time()))
            return proof.done() and not proof.cancelled()
        finally:
            found.asking.remove(proof)
            proof.cancel()

    def status(self) -> PeersStatus:
        """How the peers are doing, now; from any thread."""
        peers = list(self._peers.values())
        return status_of(peers, self._questions, self._counts, self._doubted)

    def _on_packet(self, source: Any, data: bytes) -> None:
        try:
            self._hear(source, data, self._clock())
        except Exception:  # the communities are to be handed it all the same
            logger.exception("a datagram from %s was not understood", source)

    def _hear(self, source: Any, data: bytes, now: float) -> None:
        answer = self._questions.answer(source, data, now)
        if answer is not None:
            self._pace.answered(source)
            asked, rtt = answer
            if asked.watched:
                asked.answered(rtt)
                self._prove(asked, now)
        self._traffic.note(source, uses=not self._questions.is_heartbeat(data))
        # Whose key it has, and not each peer at the address: of them there may be thousands.
        found = self._peers.get(claimed_key(data))
        if found is not None and found.is_at(source) and found.has_signed(data, now):
            self._prove(found, now)

    # The looks

    def _schedule(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._schedule()
        try:
            self.look()
        except Exception:  # a timer's callback: Tribler takes what it raises for a crash
            logger.exception("the peers could not be looked at")

    def look(self) -> None:
        """Ask and judge whoever is due; called twice a second."""
        now = self._clock()
        late, self._looked = now - self._looked > TICK + LATE, now
        self._observer.compare()
        self._take_changes()
        self._questions.renew()
        self._pace.begin(now)
        late = late or not self._ipv8.endpoint.is_open()
        self._proofs = {ipv6: proof_of(self._ipv8.endpoint, ipv6) for ipv6 in (False, True)}
        doubts = {
            ipv6: late or (proof is not None and not proof.sure)
            for ipv6, proof in self._proofs.items()
        }
        peers = list(self._peers.values())
        if self._traffic.hand_out(peers):
            self._heard = now
        self._doubted = any(doubts.values()) and any(doubts[one.is_ipv6] for one in peers)
        self._living = sum(
            not one.unasked and one.policy.state is not PeerState.GONE for one in peers
        )
        waiting: list[tuple[Monitored, Input]] = []
        for one in peers:
            if not one.watched:  # a callback has stopped the monitor, or taken the peer out
                continue
            if one.was_used:
                one.was_used = False
                one.policy.use(now)
            in_doubt = self._doubted and doubts[one.is_ipv6]
            if in_doubt or one.was_heard or now >= one.policy.deadline:
                event = self._event(one, in_doubt, now)
                if event is not None and one.policy.would_ask(event, now):
                    waiting.append((one, event))
                elif event is not None:
                    self._feed(one, event, now)
        if not self._doubted:
            self._ask_others(now)
        # Time does not pass for those who wait: nobody is judged by what it was not asked.
        for one, event in self._pace.turns(waiting):
            one.was_heard = False
            self._feed(one, event, now)

    def _event(self, one: Monitored, in_doubt: bool, now: float) -> Input | None:
        """What has happened to a peer; traffic that is no reason to ask is fed by the way."""
        if one.was_heard and not one.policy.would_ask(Input.HEARD, now):
            one.was_heard = False
            self._feed(one, Input.HEARD, now)
        if in_doubt:
            return Input.DOUBT
        if one.was_heard:
            return Input.HEARD
        return self._due(one, now) if now >= one.policy.deadline else None

    def _due(self, one: Monitored, now: float) -> Input:
        if not one.policy.is_decisive:
            return Input.TIME
        proof = self._proofs[one.is_ipv6]
        unheard = proof is not None and proof.heard_ago > SILENCE
        if unheard or (self._living > 2 and now > self._heard + ALONE):
            one.held = True
            return Input.ALONE
        if one.held:  # what it was asked meanwhile it may not have heard
            one.held = False
            return Input.DOUBT
        return Input.TIME

    def _ask_others(self, now: float) -> None:
        """Ask the one that has been silent the longest, where there is a reason to.

        Errors are one: they name nobody. A suspect is another: so long as somebody else is heard,
        its silence is not that of our own network.
        """
        before, self._errors = self._errors, count_behind(self._ipv8.endpoint)
        peers = self._peers.values()
        alive = [one for one in peers if one.policy.state is PeerState.ALIVE]
        if not alive:
            return
        if self._errors > before:
            self._ask_longest_silent(alive, Input.ERROR, now)
        elif now > max(self._heard, self._witnessed) + WITNESS and any(
            one.policy.state is PeerState.SUSPECT for one in peers
        ):
            self._witnessed = now
            self._ask_longest_silent(alive, Input.ASKED, now)

    def _ask_longest_silent(self, alive: list[Monitored], why: Input, now: float) -> None:
        free = [one for one in alive if not self._pace.is_waited_for(one.peer.address)]
        if free:
            self._feed(min(free, key=attrgetter("heard_at")), why, now)

    # The peers

    def _take_changes(self) -> None:
        now = self._clock()
        for added, peer in self._observer.changes():
            key = key_of(peer)
            if not added:
                if key in self._peers:
                    self._forget(self._peers.pop(key))
            elif key not in self._peers:
                self._peers[key] = Monitored(peer, now)
                heard_at = self._departed.take_out(key)
                if heard_at is not None:
                    self._tell(PeerEventKind.RETURNED, peer, now - heard_at)

    def _forget(self, one: Monitored) -> None:
        one.watched = False
        for proof in one.asking:
            proof.cancel()
        if one.policy.state is PeerState.GONE:
            self._departed.add(key_of(one.peer), one.peer.address, one.heard_at, self._clock())

    def _prove(self, one: Monitored, now: float) -> None:
        self._feed(one, Input.PROOF, now)
        self._heard = one.heard_at = now
        for proof in one.asking:
            if not proof.done():
                proof.set_result(None)

    def _feed(self, one: Monitored, event: Input, now: float) -> None:
        before, action = one.policy.state, one.policy.feed(event, now)
        if action is not Action.WAIT and not self._ask(one, action, now):
            one.policy.feed(Input.DOUBT, now)  # its silence is no answer to what was never sent
        after = one.policy.state
        if before is not PeerState.GONE and after is PeerState.GONE:
            self._living -= 1
            self._tell(PeerEventKind.GONE, one.peer, now - one.heard_at)
            if self._settings.drop_gone_peers:
                try:
                    self._ipv8.network.remove_peer(one.peer)
                except Exception:  # of somebody else's observer: the others are judged all the same
                    logger.exception("%s could not be dropped", one.peer)
        elif before is PeerState.GONE and after is not PeerState.GONE:
            self._living += 1
            self._tell(PeerEventKind.RETURNED, one.peer, now - one.heard_at)
        if event is Input.HEARD and one.policy.heard == now:  # else it may well be forged
            one.heard_at = now

    def _ask(self, one: Monitored, action: Action, now: float) -> bool:
        """Send a question; False where none could be sent, which costs no other peer its turn."""
        self._pace.note(one.peer.address, now)
        try:
            asked = self._questions.ask(one, one.peer, now, introduce=action is Action.INTRODUCE)
        except Exception:  # an endpoint that was closed, or of another make
            logger.debug("%s could not be asked", one.peer, exc_info=True)
            asked = False
        one.unasked = not asked
        if not asked:
            self._pace.take_back(one.peer.address)
        return asked

    def _tell(self, kind: PeerEventKind, peer: Any, silent: float) -> None:
        event = PeerEvent(kind, peer, time.time(), silent)
        self._counts[kind] += 1
        logger.debug("%s", event)
        if self._told is not None:
            try:
                self._told(event)
            except Exception:  # the callback's fault must not stop the monitor
                logger.exception("a callback for events raised an exception")


def forget_closed() -> None:
    """End the monitors whose event loop was closed without stopping them."""
    for monitor in list(running):
        if monitor.is_over:
            running.discard(monitor)
            monitor._observer.stop()  # neither needs the loop
            monitor._ipv8.endpoint.remove_listener(monitor._listener)
            monitor._forget_all()
