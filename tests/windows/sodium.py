"""IPv8 before 3.2.1 imports libnacl for its keys, and that libsodium, which need not be here."""

from __future__ import annotations

import sys
import types
from typing import Any


def stand_in_for_libsodium() -> None:
    """Put modules in libnacl's place that can be imported, and do nothing."""
    for name in [name for name in sys.modules if name.startswith("libnacl")]:
        del sys.modules[name]
    for part in ("", ".aead", ".dual", ".encode", ".public", ".sign"):
        stand_in: Any = types.ModuleType("libnacl" + part)
        stand_in.__path__ = []
        stand_in.__getattr__ = lambda attribute: type(attribute, (), {})
        sys.modules[stand_in.__name__] = stand_in
