"""What goes wrong in the lab, said in one line."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do what was asked; the message is one line that says why and what to do."""
