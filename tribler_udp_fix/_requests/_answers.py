"""The answers that were given, so that a repeated request can be given the same: no clock in it."""

from __future__ import annotations

import collections
import math
from typing import Any, Hashable, Tuple

Request = Tuple[Hashable, Hashable]  # who asks, and what


class Answer:
    """That of one request: ``packet`` is None before there is one, and where there is none."""

    def __init__(self) -> None:
        self.packet: bytes | None = None
        self.until = math.inf  # it is not forgotten while its handler runs


class Answers:
    """The last *size* of them, each for *ttl* seconds from when it was given.

    Where there are more, who has the most loses its oldest: nobody, however much it asks, makes
    those of others be forgotten that have no more than their share. Of more askers than *size*,
    with one request each, the last *size* are remembered.
    """

    def __init__(self, ttl: float, size: int) -> None:
        self._ttl = ttl
        self._size = size
        self._known: collections.OrderedDict[Request, Answer] = collections.OrderedDict()
        self._of: dict[Hashable, collections.OrderedDict[Request, None]] = {}  # by who asks

    def __len__(self) -> int:
        return len(self._known)

    def find(self, request: Request, now: float) -> Answer | None:
        """The answer to the same request, be it still to come; None for a new one."""
        while self._known:
            oldest, answer = next(iter(self._known.items()))
            if answer.until > now:
                break
            self._remove(oldest)
        found = self._known.get(request)
        return found if found is not None and found.until > now else None

    def begin(self, request: Request) -> Answer:
        """A new request is about to be handled."""
        if request in self._known:
            self._remove(request)
        answer = self._known[request] = Answer()
        self._of.setdefault(request[0], collections.OrderedDict())[request] = None
        while len(self._known) > self._size:
            self._remove(next(iter(self._greediest(request[0]))))  # never the new one
        return answer

    def end(self, request: Request, answer: Answer, packet: bytes | None, now: float) -> None:
        """It was answered by *packet*, or not to be answered."""
        answer.packet = packet
        answer.until = now + self._ttl
        if self._known.get(request) is answer:
            self._known.move_to_end(request)
            self._of[request[0]].move_to_end(request)

    def forget(self, request: Request, answer: Answer) -> None:
        """It could not be handled, and may be tried again."""
        if self._known.get(request) is answer:
            self._remove(request)

    def _greediest(self, asker: Hashable) -> collections.OrderedDict[Request, Any]:
        """The requests of who has more than its share: *asker*, or who has the most."""
        if len(self._of) == len(self._known):  # one for each: of all these the oldest goes
            return self._known
        own = self._of[asker]
        if len(own) * len(self._of) > self._size:
            return own  # without a look at all the others for each request of a flood
        return max(self._of.values(), key=len)

    def _remove(self, request: Request) -> None:
        del self._known[request]
        own = self._of[request[0]]
        del own[request]
        if not own:
            del self._of[request[0]]
