"""What a client may send: an optional JSON object that names one endpoint."""

from __future__ import annotations

import json
import reprlib
from typing import Any, Sequence

LIMIT = 4096  # bytes; an endpoint's name has some fifty
FIELD = "endpoint"


class BadBody(ValueError):
    """A body that is not allowed: which ``field``, its ``value``, and what is ``allowed``.

    A ``value`` that is a fraction, a list or an object is given as text, shortened: JSON has no
    NaN, and no encoder a bottom for what is nested ever deeper.
    """

    def __init__(self, field: str, value: Any, allowed: str | Sequence[str]) -> None:
        self.field = field
        self.value = value if isinstance(value, (str, int, type(None))) else reprlib.repr(value)
        self.allowed = allowed if isinstance(allowed, str) else list(allowed)
        told = allowed if isinstance(allowed, str) else _one_of(allowed)
        super().__init__(f"{field}={reprlib.repr(value)}: allowed is {told}")


def chosen(body: bytes, names: Sequence[str]) -> list[str]:
    """The endpoints that a request is about: the one that its body names, or all of *names*.

    Raises BadBody.
    """
    if len(body) > LIMIT:
        raise BadBody("body", f"{len(body):,} bytes or more", f"up to {LIMIT:,} bytes")
    if not body.strip():
        return list(names)
    document = '{"endpoint": "<a name as in health>"}, or no body for every endpoint'
    try:
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadBody("body", body.decode("utf-8", "replace"), f"JSON: {document}") from None
    if not isinstance(value, dict):
        raise BadBody("body", value, f"a JSON object: {document}")
    for field in value:
        if field != FIELD:
            raise BadBody(field, value[field], f"no field but {FIELD}")
    if FIELD not in value:
        return list(names)
    if not isinstance(value[FIELD], str) or value[FIELD] not in names:
        raise BadBody(FIELD, value[FIELD], names)
    return [value[FIELD]]


def _one_of(names: Sequence[str]) -> str:
    return f"one of {', '.join(names)}" if names else "nothing: no endpoint is watched"
