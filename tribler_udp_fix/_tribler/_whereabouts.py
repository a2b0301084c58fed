"""Where this process has its health page, in a file that only its user can read.

Tribler chooses its port and its key, so nobody else can know them: ``tribler check`` finds the page
by this file. On Windows the folder is in the user's local data, which only the user may enter;
elsewhere it is in ``XDG_RUNTIME_DIR``, and without that there is none.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

logger = logging.getLogger("tribler_udp_fix")

_ANY = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}


def folder() -> Path | None:
    """The folder of these files, None where this user has no place for it."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_RUNTIME_DIR"
    place = os.environ.get(variable)
    return Path(place) / "tribler_udp_fix" / "running" if place else None


def addresses(rest_manager: Any) -> list[str]:
    """Where Tribler's REST server listens, as ``http://127.0.0.1:8085``; empty when it does not."""
    runner = getattr(rest_manager, "runner", None)
    found = []
    for host, port, *_ in getattr(runner, "addresses", ()):
        host = _ANY.get(host, host)
        found.append(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    return found


def write(rest_manager: Any, path: str, parameter: str) -> None:
    """Say where the page is: below *path*, with Tribler's key in the *parameter* of its query.

    Raises OSError, and whatever comes of a REST manager that has another shape.
    """
    place = folder()
    listening = addresses(rest_manager)
    if place is None or not listening:
        return
    told = {
        "pid": os.getpid(),
        "addresses": listening,
        "path": path,
        "parameter": parameter,
        "key": _key(rest_manager),
    }
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = place / f"{os.getpid()}.new"
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    # Made anew, so that nobody has it open who may read more than this.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(told, file)
    os.replace(new, place / f"{os.getpid()}.json")


def remove() -> None:
    """Say no more, and leave no empty folder. Raises nothing."""
    place = folder()
    if place is None:
        return
    with contextlib.suppress(OSError):
        (place / f"{os.getpid()}.json").unlink()
        place.rmdir()
        place.parent.rmdir()


def _key(rest_manager: Any) -> str:
    """The API key, of the middleware that asks for it: Tribler has kept it in several places."""
    for middleware in rest_manager.root_endpoint.app.middlewares:
        key = getattr(middleware, "api_key", None)
        if isinstance(key, str):
            return key
    return ""
