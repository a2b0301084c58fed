"""The Triblers of this user that run with the plugin, and what their endpoints hear."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tribler_udp_fix._tribler import _whereabouts

SECONDS = 2.0  # in which a running Tribler answers
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Not by a proxy that the user may have set up: these are this computer's own addresses.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def running() -> list[dict[str, Any]]:
    """Each that answers: ``health`` is what it says, ``page`` the address of its health page.

    A file whose Tribler has ended without removing it is removed.
    """
    folder = _whereabouts.folder()
    found = []
    for file in sorted(folder.glob("*.json")) if folder and folder.is_dir() else ():
        told = _read(file)
        answer = told and _ask(told)
        if answer:
            found.append(answer)
        elif answer is None:
            with contextlib.suppress(OSError):
                file.unlink()
    return found


def _read(file: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        hosts = [urllib.parse.urlsplit(address).hostname for address in told["addresses"]]
        words = [told["path"], told["parameter"], told["key"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    good = all(isinstance(word, str) for word in words) and set(hosts) <= set(_LOOPBACK)
    return told if good and told["path"].startswith("/") else None


def _ask(told: dict[str, Any]) -> dict[str, Any] | None:
    """What it answers; {} where it takes too long or refuses; None where nobody listens."""
    outcome: dict[str, Any] | None = None
    for address in told["addresses"]:
        request = urllib.request.Request(
            f"{address}{told['path']}/health", headers={"X-Api-Key": told["key"]}
        )
        try:
            with _direct.open(request, timeout=SECONDS) as response:
                health = json.loads(response.read())
        except urllib.error.HTTPError:
            outcome = {}
        except urllib.error.URLError as exc:
            if not isinstance(exc.reason, ConnectionRefusedError):
                outcome = {}
        except (OSError, ValueError):
            outcome = {}
        else:
            query = urllib.parse.urlencode({told["parameter"]: told["key"]})
            page = f"{address}{told['path']}/ui?{query}"
            return {"pid": told["pid"], "page": page, "health": health}
    return outcome
