"""wrapt, which is imported late: it takes 95 ms, and imports asyncio."""

from __future__ import annotations

import sys
from typing import Any

from tribler_udp_fix._imports._whole import import_whole, whole


def wrapt_patches() -> Any:
    """wrapt's module that replaces functions.

    Raises ImportError where wrapt is missing or too old, and what a broken one raises. Once it is
    there this imports nothing, and so waits for nobody.
    """
    patches = whole("wrapt.patches")
    if patches is None:
        # The package first, and never `from wrapt`: another thread may be importing either.
        import_whole("wrapt")
        try:
            patches = import_whole("wrapt.patches")
        except ModuleNotFoundError as exc:
            if exc.name != "wrapt.patches":
                raise
            version = getattr(sys.modules.get("wrapt"), "__version__", "without a version")
            raise ImportError(f"wrapt {version} is too old, 1.16 or later is needed") from exc
    if not hasattr(patches, "wrap_function_wrapper"):
        raise ImportError("this wrapt.patches has no wrap_function_wrapper")
    return patches
