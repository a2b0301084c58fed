"""Tribler's stream of events, which its user interface listens to."""

from __future__ import annotations

from typing import Any, Callable, Dict

HEALTH = "udp_fix_health"
POPUP = "tribler_exception"  # the one topic that both user interfaces show whatever its text is

PopUp = Callable[[str, str], Dict[str, Any]]


class Gui:
    """Sends to whoever listens to Tribler's events. *events* is its events endpoint.

    *popup* makes of a title and a text what the user interface expects with ``POPUP``.
    """

    def __init__(self, events: Any, popup: PopUp) -> None:
        self._events = events
        self._popup = popup

    def is_there(self) -> bool:
        """Whether anybody listens: Tribler logs a warning for each event that nobody does."""
        return bool(self._events.has_connection_to_gui())

    def tell(self, event: dict[str, Any]) -> None:
        """Send a change of health."""
        self._events.send_event({"topic": HEALTH, "kwargs": event})

    def pop_up(self, title: str, text: str) -> None:
        """Show a text to the user."""
        self._events.send_event({"topic": POPUP, "kwargs": self._popup(title, text)})
