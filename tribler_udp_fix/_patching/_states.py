"""How a repair may stand, in the words of ``status()``."""

from __future__ import annotations

from typing import Tuple

APPLIED = "applied"
NOT_NEEDED = "not needed"
REFUSED = "refused"
OFF = "off"

State = Tuple[str, str]  # one of these words, and the reason
