"""What is asked of peers, and how: errors name the argument, its value, and what is allowed."""

from __future__ import annotations

import reprlib
import sys
from typing import Any

from tribler_udp_fix._arguments import shown


def check_seconds(name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless *value* is a positive number."""
    text = f"{name}={_shown(value)}: allowed is a positive number of seconds"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(text)
    if not 0 < value <= sys.float_info.max:  # nor is a whole number that no float can hold
        raise ValueError(text)


def check_size(name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless *value* is a whole number from 1."""
    text = f"{name}={_shown(value)}: allowed is a whole number from 1"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(text)
    if value < 1:
        raise ValueError(text)


def check_community(value: Any) -> None:
    """Raise TypeError for what is no community."""
    if isinstance(value, type) or not (hasattr(value, "endpoint") and hasattr(value, "ezr_pack")):
        raise TypeError(f"community={_shown(value)}: allowed is a Community")


def check_peer(value: Any) -> None:
    """Raise TypeError for what is no peer, such as its address."""
    if not (hasattr(value, "public_key") and hasattr(value, "address")):
        raise TypeError(f"peer={_shown(value)}: allowed is a Peer")


def check_payload(value: Any) -> None:
    """Raise TypeError for what is no payload."""
    if isinstance(value, type) or not hasattr(value, "msg_id"):
        raise TypeError(f"payload={_shown(value)}: allowed is a payload that has a msg_id")


def check_reply(value: Any) -> None:
    """Raise TypeError for what is no class of payloads."""
    if not isinstance(value, type) or not hasattr(value, "msg_id"):
        raise TypeError(f"reply={_shown(value)}: allowed is a payload class that has a msg_id")


def check_identifier(name: str, payload: Any) -> None:
    """Raise ValueError where *payload*, or that class, says that no field of it is a number.

    Only those of ``VariablePayload`` say what their fields are, and of dataclasses, whose ``names``
    are not known before the first of them was made.
    """
    fields = [*getattr(payload, "names", ()), *getattr(payload, "__dataclass_fields__", ())]
    if fields and "identifier" not in fields and not hasattr(payload, "identifier"):
        told, all_of_them = _shown(payload), ", ".join(dict.fromkeys(fields))
        raise ValueError(
            f"{name}={told} with the fields {all_of_them}: allowed is one with a field identifier"
        )


def _shown(value: Any) -> str:
    if hasattr(value, "msg_id"):  # its repr() has all its fields, of up to 64 kB
        return value.__name__ if isinstance(value, type) else f"{type(value).__name__}(…)"
    return shown(value, reprlib.repr)
