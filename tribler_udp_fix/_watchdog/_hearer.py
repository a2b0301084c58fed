"""Who is told of what the system says."""

from __future__ import annotations

from typing import Protocol


class Hearer(Protocol):
    """Who is told, on the event loop."""

    def address_changed(self, host: str, there: bool) -> object:
        """The address *host* has come, or gone."""

    def interface_changed(self) -> object:
        """An adapter has changed otherwise: it may be another way out."""

    def resumed(self) -> object:
        """The machine has resumed."""
