"""Whether the numbers of requests fit into the field that a payload class has for them."""

from __future__ import annotations

from typing import Any, TypeVar, get_type_hints

# Those of struct's that hold fewer than 65,536 numbers, and IPv8's own of eight fields of a bit.
_TOO_SMALL = ("?", "B", "b", "c", "h", "bits")


def check_format(name: str, payload: Any) -> None:
    """Raise ValueError where the ``identifier`` of *payload*, or that class, is surely too small.

    Of a format that is not known, such as one of the program's own packers, it may be large enough.
    """
    kind = payload if isinstance(payload, type) else type(payload)
    found = _format(kind)
    if isinstance(found, str) and found in _TOO_SMALL:
        raise ValueError(
            f"{name}={kind.__name__} with an identifier of the format {found!r}: allowed is a "
            "field of at least two bytes that holds 0 to 65535, such as 'H'"
        )


def _format(kind: Any) -> Any:
    """What IPv8 packs its ``identifier`` as; None where that cannot be told."""
    names = list(getattr(kind, "names", ()))
    if not names:
        return _of_dataclass(kind)
    for packed in getattr(kind, "format_list", ()):
        fields = 8 if packed == "bits" else 1
        if "identifier" in names[:fields]:
            return packed
        del names[:fields]
    return None


def _of_dataclass(kind: Any) -> Any:
    """The same of one of IPv8's dataclasses before the first is made: it has no names by then."""
    field = getattr(kind, "__dataclass_fields__", {}).get("identifier")
    found = getattr(field, "type", None)
    if isinstance(found, str):  # it is text where annotations are
        try:
            found = get_type_hints(kind).get("identifier")
        except Exception:  # whatever the text may raise, IPv8 will find it out as well
            return None
    if isinstance(found, TypeVar):  # as IPv8's type_from_format() makes them
        return found.__name__
    return "?" if found is bool else None
