"""What is to be logged of a repair, kept until no lock is held: a handler may wait for anything."""

from __future__ import annotations

import logging

_notes: list[str] = []


def note(message: str) -> None:
    """Have *message* logged as a warning by the next ``log_notes()``."""
    _notes.append(message)


def log_notes() -> None:
    """Log what was noted; call it where no lock of ours is held."""
    logger = logging.getLogger("tribler_udp_fix")
    while _notes:
        try:
            message = _notes.pop(0)
        except IndexError:  # another thread was faster
            return
        logger.warning("%s", message)
