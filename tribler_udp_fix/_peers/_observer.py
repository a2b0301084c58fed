"""Who comes to IPv8's network, and who leaves it."""

from __future__ import annotations

import collections
from typing import Any, Iterator


class Observer:
    """Notes the changes of *network*, from ``start()`` to ``stop()``.

    IPv8 calls it under the network's lock, in whichever thread, where nothing may raise or wait.
    Another observer that raises all the same is the end of IPv8's calls for that change: so the
    network is looked at from time to time as well.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self._observes = hasattr(network, "add_peer_observer")  # not in pyipv8 2.10
        self._known: dict[bytes, Any] = {}  # what the changes so far lead to
        self._changes: collections.deque[tuple[bool, Any]] = collections.deque()

    def start(self) -> None:
        """Note the peers that there are, and from now on who comes and leaves."""
        with self._network.graph_lock:
            self.compare()
            if self._observes:
                self._network.add_peer_observer(self)

    def stop(self) -> None:
        """Leave no trace in the network."""
        if self._observes:
            self._network.remove_peer_observer(self)
        self._known.clear()
        self._changes.clear()

    def on_peer_added(self, peer: Any) -> None:
        """IPv8 knows a peer."""
        self._known[key_of(peer)] = peer
        self._changes.append((True, peer))

    def on_peer_removed(self, peer: Any) -> None:
        """IPv8 knows a peer no more."""
        self._known.pop(key_of(peer), None)
        self._changes.append((False, peer))

    def changes(self) -> Iterator[tuple[bool, Any]]:
        """What has changed since the last time: whether a peer came, and which, in order."""
        if not self._observes:
            self.compare()
        while self._changes:
            yield self._changes.popleft()

    def compare(self) -> None:
        """Note the changes that it was not told of."""
        with self._network.graph_lock:
            # Twice a second, and a key takes long to say: those known before are told by identity.
            if {*map(id, self._network.verified_peers)} == {*map(id, self._known.values())}:
                return
            keys = {id(peer): key for key, peer in self._known.items()}
            now = {
                keys.get(id(peer)) or key_of(peer): peer for peer in self._network.verified_peers
            }
            # Another object of the same key may have another address: it left, and it came.
            for key, peer in list(self._known.items()):
                if now.get(key) is not peer:
                    self.on_peer_removed(peer)
            for key, peer in now.items():
                if key not in self._known:
                    self.on_peer_added(peer)


def key_of(peer: Any) -> bytes:
    """By what a peer is known: its public key."""
    key: bytes = peer.public_key.key_to_bin()
    return key
