"""The settings of the repairs: defaults, what is allowed, and how the environment gives them."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Mapping, NamedTuple

from tribler_udp_fix._startup import OFF_VALUES, ON_VALUES, SWITCH
from tribler_udp_fix._startup import warn as warn_on_stderr

_PREFIX = SWITCH + "_"
_KIND = "kind"

_warned: set[str] = set()


class _Kind(NamedTuple):
    """What the values of a setting are. ``check`` and ``parse`` raise TypeError or ValueError."""

    allowed: str
    check: Callable[[Any], None]
    parse: Callable[[str], Any]


def _whole_number(default: int, lowest: int, highest: int, meaning: str) -> int:
    def check(value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError
        if not lowest <= value <= highest:
            raise ValueError

    allowed = f"a whole number from {lowest:,} to {highest:,} ({meaning})"
    return dataclasses.field(default=default, metadata={_KIND: _Kind(allowed, check, int)})


def _switch(default: bool, meaning: str) -> bool:
    def check(value: Any) -> None:
        if not isinstance(value, bool):
            raise TypeError

    def parse(text: str) -> bool:
        word = text.strip().lower()
        if word not in ON_VALUES + OFF_VALUES:
            raise ValueError
        return word in ON_VALUES

    allowed = f"True or False, in the environment 1 or 0 ({meaning})"
    return dataclasses.field(default=default, metadata={_KIND: _Kind(allowed, check, parse)})


@dataclasses.dataclass(frozen=True)
class Settings:
    """What ``install()`` can be told. ``TRIBLER_UDP_FIX_<NAME>`` in the environment sets each.

    error_budget: receive errors a second, per endpoint, that are handled without delay; past it
        the endpoint reads on after a short wait. 1 to 1,000,000.
    prevent_icmp_errors: switch ICMP errors off at the socket (SIO_UDP_CONNRESET and
        SIO_UDP_NETRESET): ``error_received`` no longer tells of departed peers. Best effort:
        Windows may refuse.

    Raises TypeError or ValueError, naming the setting, the value and what is allowed.
    """

    error_budget: int = _whole_number(
        1000, 1, 1_000_000, "receive errors a second, per endpoint, that are handled without delay"
    )
    prevent_icmp_errors: bool = _switch(False, "switch ICMP errors off at the socket")

    def __post_init__(self) -> None:
        """Check every value."""
        for field in dataclasses.fields(self):
            kind: _Kind = field.metadata[_KIND]
            value = getattr(self, field.name)
            try:
                kind.check(value)
            except (TypeError, ValueError) as exc:
                raise type(exc)(f"{field.name}={value!r}: allowed is {kind.allowed}") from None

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str], warn: Callable[[str], None] | None = None
    ) -> Settings:
        """Return the settings that the variables ``TRIBLER_UDP_FIX_<NAME>`` give; raises nothing.

        A bad value keeps the default, an unknown name is ignored, an empty value counts as unset.
        Each bad value or name is one call of ``warn``; by default one line on stderr, once a
        process.
        """
        tell = warn or _warn_once
        known = {_PREFIX + field.name.upper(): field for field in dataclasses.fields(cls)}
        values = {}
        for name, text in environ.items():
            if not name.startswith(_PREFIX):
                continue
            if name not in known:
                tell(f"{name} is not a setting{_nearest(name, known)}. It is ignored.")
            elif text.strip():
                field = known[name]
                kind: _Kind = field.metadata[_KIND]
                try:
                    value = kind.parse(text)
                    kind.check(value)
                except (TypeError, ValueError):
                    tell(
                        f"{name}={text!r}: allowed is {kind.allowed}. "
                        f"The default, {field.default!r}, is kept."
                    )
                else:
                    values[field.name] = value
        return cls(**values)


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    import difflib  # late: it takes long to import, and a misspelt name is rare

    close = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f"; the nearest is {close[0]}" if close else ""


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warn_on_stderr(message)
