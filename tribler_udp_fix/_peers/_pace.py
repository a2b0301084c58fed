"""How many questions are sent, whoever is to be asked: a bound on what strangers can make us send.

Who signs a message with a fresh key is a peer to IPv8, as often as it likes, and from an address
that may be somebody else's. What those peers are asked is sent there.
"""

from __future__ import annotations

from typing import Any, Iterator

from tribler_udp_fix._peers._heartbeat_policy import PAUSE, Input, PeerState
from tribler_udp_fix._peers._monitored import Monitored

# Questions a look, which is 16 a second: the pace of RandomChurn, which asks eight peers each half
# second. It is enough for 240 peers in use, or 400 that are idle, and for the 30 of which 10 leave:
# those are asked once a second each.
QUESTIONS = 8
# Seconds for which a question without an answer is outstanding. It is less than the pause between
# two questions to one peer, by half a look, so that a look that comes early does not cost a turn.
OUTSTANDING = 0.75 * PAUSE


class Pace:
    """The questions that are left to one look, and the addresses whose answer is awaited."""

    def __init__(self) -> None:
        self.left = QUESTIONS
        self._asked: dict[Any, float] = {}

    def begin(self, now: float) -> None:
        """Begin a look."""
        self.left = QUESTIONS
        self._asked = {address: at for address, at in self._asked.items() if now < at + OUTSTANDING}

    def note(self, address: Any, now: float) -> None:
        """Take in that a question was sent to *address*."""
        self.left -= 1
        self._asked[tuple(address)] = now

    def take_back(self, address: Any) -> None:
        """Take in that the question just noted was not sent to *address* after all."""
        self.left += 1
        self._asked.pop(tuple(address), None)

    def answered(self, address: Any) -> None:
        """Take in that a question was answered from *address*."""
        self._asked.pop(tuple(address), None)

    def is_waited_for(self, address: Any) -> bool:
        """Whether an answer from *address* was still awaited when the look began, or is now."""
        return tuple(address) in self._asked

    def turns(self, waiting: list[tuple[Monitored, Input]]) -> Iterator[tuple[Monitored, Input]]:
        """Whose turn it is to be asked: the most urgent, one at each address."""
        for one, event in sorted(waiting, key=_urgency):
            if self.left <= 0:
                break
            if one.watched and not self.is_waited_for(one.peer.address):
                yield one, event


def _urgency(waiting: tuple[Monitored, Input]) -> tuple[bool, bool, float]:
    one, event = waiting
    # Who has gone comes last: of them those first that may be back.
    return one.policy.state is PeerState.GONE, event is not Input.HEARD, one.policy.deadline
