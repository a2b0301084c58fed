"""The settings of the repairs: defaults, what is allowed, and how the environment gives them."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any, Callable, Mapping, NamedTuple

from tribler_udp_fix._arguments import shown
from tribler_udp_fix._switch import OFF_VALUES, ON_VALUES, SWITCH
from tribler_udp_fix._switch import warn as warn_on_stderr

_PREFIX = SWITCH + "_"
_KIND = "kind"

_warned: set[str] = set()


class _Kind(NamedTuple):
    """What the values of a setting are. ``check`` and ``parse`` raise TypeError or ValueError.

    ``words`` is what is allowed in the environment, where that is something else than ``allowed``.
    """

    allowed: str
    check: Callable[[Any], None]
    parse: Callable[[str], Any]
    words: str = ""


def _whole_number(default: int, lowest: int, highest: int, meaning: str) -> int:
    def check(value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError
        if not lowest <= value <= highest:
            raise ValueError

    allowed = f"a whole number from {lowest:,} to {highest:,} ({meaning})"
    return dataclasses.field(default=default, metadata={_KIND: _Kind(allowed, check, int)})


def _number(
    default: float, lowest: float, highest: float, meaning: str, *, off: bool = False
) -> float:
    def check(value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError
        if not (lowest <= value <= highest or (off and value == 0)):  # NaN is neither
            raise ValueError

    numbers = f"a number from {lowest:,.12g} to {highest:,.12g}"
    allowed = f"{numbers}{', or 0' if off else ''} ({meaning})"
    return dataclasses.field(default=default, metadata={_KIND: _Kind(allowed, check, float)})


def _switch(default: bool, meaning: str) -> bool:
    def check(value: Any) -> None:
        if not isinstance(value, bool):
            raise TypeError

    def parse(text: str) -> bool:
        word = text.strip().lower()
        if word not in ON_VALUES + OFF_VALUES:
            raise ValueError
        return word in ON_VALUES

    kind = _Kind(f"True or False ({meaning})", check, parse, f"1 or 0 ({meaning})")
    return dataclasses.field(default=default, metadata={_KIND: kind})


def _choice(default: str, others: tuple[str, ...], meaning: str) -> str:
    words = (default, *others)

    def check(value: Any) -> None:
        if not isinstance(value, str):
            raise TypeError
        if value not in words:
            raise ValueError

    def parse(text: str) -> str:
        word = text.strip().lower()
        if "on" in words:  # so that those who know the switches need not know which these are
            return "on" if word in ON_VALUES else "off" if word in OFF_VALUES else word
        return word

    allowed = f"{', '.join(words[:-1])} or {words[-1]}"
    switch = ", or 1 or 0" if "on" in words else ""
    kind = _Kind(f"{allowed} ({meaning})", check, parse, f"{allowed}{switch} ({meaning})")
    return dataclasses.field(default=default, metadata={_KIND: kind})


def _name(allowed: str) -> str:
    def check(value: Any) -> None:
        if not isinstance(value, str):
            raise TypeError
        if "\0" in value:  # which no system takes in a name
            raise ValueError

    def parse(text: str) -> str:
        name = text.strip()
        return "" if name.lower() in (*OFF_VALUES, "none") else name

    return dataclasses.field(default="", metadata={_KIND: _Kind(allowed, check, parse)})


_PORT_CHANGES = {"never": float("inf"), "at once": 0.0}


def _port_failures(value: str) -> float:
    if value in _PORT_CHANGES:
        return _PORT_CHANGES[value]
    words = value.split(" ")
    if len(words) != 3 or words[0] != "after" or words[2] not in ("failures", "failure"):
        raise ValueError
    if not (words[1].isascii() and words[1].isdigit() and 1 <= int(words[1]) <= 1_000_000):
        raise ValueError
    return float(words[1])


def _port_change(default: str, meaning: str) -> str:
    def check(value: Any) -> None:
        if not isinstance(value, str):
            raise TypeError
        _port_failures(value)

    def parse(text: str) -> str:
        words = " ".join(text.lower().split())
        # As it was once, a switch.
        return "at once" if words in ON_VALUES else "never" if words in OFF_VALUES else words

    allowed = (
        f"never, at once, or after N failures, N a whole number from 1 to 1,000,000 ({meaning})"
    )
    return dataclasses.field(default=default, metadata={_KIND: _Kind(allowed, check, parse)})


@dataclasses.dataclass(frozen=True)
class Settings:
    """What ``install()`` can be told.

    Where ``TRIBLER_UDP_FIX`` switches the repairs on, ``TRIBLER_UDP_FIX_<NAME>`` in the environment
    sets each; where a program does, ``install(Settings.from_environ(os.environ))`` heeds them.

    error_budget: receive errors a second, per endpoint, that are handled without delay; past it
        the endpoint reads on after a short wait. 1 to 1,000,000.
    prevent_icmp_errors: switch ICMP errors off at the socket (SIO_UDP_CONNRESET and
        SIO_UDP_NETRESET): ``error_received`` no longer tells of departed peers. Best effort:
        Windows may refuse.
    fast_path: take all datagrams that wait in a turn of the loop, and send without a detour where
        the socket takes it. Off: one receive at a time, and on the Proactor every send through
        the queue.
    loop: the event loop on Windows of a program that names none, or sets one of asyncio's own
        policies: ``keep`` what it would be, ``proactor`` (the repaired one), or ``selector``.

    Of the watchdog:

    watchdog: watch anything at all.
    watch: what is watched: ``ipv8`` (the endpoints of every IPv8 instance that starts), ``all``
        (every datagram transport that asyncio makes in this process, too), ``none`` (what the
        program asks for by ``Watchdog``), or ``auto``: ``all`` inside Tribler, else ``ipv8``.
    probe_after: seconds without a datagram after which an endpoint is probed. 0.1 to 3600.
    probe_timeout: seconds in which a probe must be heard. 0.05 to 60.
    probe_misses: probes missed in a row before anything is done. 1 to 100.
    jitter: the share, at most, by which ``probe_after`` and each back-off are shortened at
        random, so that many endpoints do not act in step. 0 to 1.
    tick: seconds between looks at the loop, the clocks and each endpoint's read. 0.05 to 10.
    rebinds_per_hour: sockets that may be closed for new ones, per endpoint, and as many again
        where somebody asks for it; 0 is never. 0 to 3600.
    retry_cap: seconds between two tries, at most. 1 to 3600.
    max_socket_age: seconds after which a quiet endpoint gets a new socket; 0 is never. 60 to
        31,536,000.
    allow_port_change: where an endpoint's port has been taken, take another: ``never``, ``at once``
        or ``after N failures`` to bind it, of which there is one about every 2 seconds. Reserved by
        Windows, it is given up at once.
    bind_interface: the name of a network adapter, such as a VPN's, as Windows or ``ip link`` shows
        it, or on Windows its GUID; "" is none, and so are ``none`` and ``0`` in the environment.
        The endpoints of IPv8 that are to be bound to all addresses are bound to those of this
        adapter, follow them, and send by it alone: without it, nothing. Of a Rust endpoint only
        the address can be chosen, not the way from there.
    rebind_rust: rebind a deaf Rust endpoint too, instead of reporting it.
    no_peer_minutes: minutes in which an IPv8 endpoint hears its probes, but no peer, until that is
        told; 0 is never. 0.1 to 1440.
    gap_queue: datagrams that wait while an endpoint has no socket: the newest; what does not fit is
        counted as dropped. 0 to 100,000.
    gap_queue_age: seconds that a datagram waits so, at most; then it is counted as dropped. 0.1 to
        3600.

    Inside Tribler:

    tracker_sockets: ask each UDP tracker from a connected socket of its own (``RequestSockets``),
        again after 15 s and so on; else as Tribler does, all from one.

    Of the peers of IPv8:

    peer_monitor: ask the peers of every IPv8 instance that starts whether they are there: ``on``,
        ``off``, or ``auto``: ``on`` inside Tribler, else ``off``.
    drop_gone_peers: remove a peer that has gone from IPv8's network. Off: that is left to IPv8.
    count_refused_pings: leave ICMP errors on at IPv8's sockets, which Windows else is told not to
        report there, so that ``pings_refused`` counts them.
    dht_pings: have IPv8's DHT ping its nodes where its program has left out ``PingChurn``: ``on``,
        ``off``, or ``auto``: ``on`` inside Tribler, else ``off``.

    Raises TypeError or ValueError, naming the setting, the value and what is allowed.
    """

    error_budget: int = _whole_number(
        1000, 1, 1_000_000, "receive errors a second, per endpoint, that are handled without delay"
    )
    prevent_icmp_errors: bool = _switch(False, "switch ICMP errors off at the socket")
    fast_path: bool = _switch(True, "receive all that waits at once, and send directly")
    loop: str = _choice(
        "keep", ("proactor", "selector"), "the event loop on Windows of a program that names none"
    )
    watchdog: bool = _switch(True, "watch endpoints")
    watch: str = _choice(
        "auto", ("ipv8", "all", "none"), "which endpoints are watched; auto: all inside Tribler"
    )
    probe_after: float = _number(10.0, 0.1, 3600, "seconds of quiet before a probe")
    probe_timeout: float = _number(1.0, 0.05, 60, "seconds in which a probe must be heard")
    probe_misses: int = _whole_number(3, 1, 100, "probes missed before anything is done")
    jitter: float = _number(0.2, 0, 1, "the share by which delays are shortened at random")
    tick: float = _number(0.5, 0.05, 10, "seconds between two looks at the endpoints")
    rebinds_per_hour: int = _whole_number(
        20, 0, 3600, "sockets replaced an hour, per endpoint, 0 is never"
    )
    retry_cap: float = _number(60.0, 1, 3600, "seconds between two tries, at most")
    max_socket_age: float = _number(
        0.0,
        60,
        31_536_000,
        "seconds until a quiet endpoint gets a new socket, 0 is never",
        off=True,
    )
    allow_port_change: str = _port_change(
        "after 30 failures", "when to take another port than one that is taken"
    )
    bind_interface: str = _name("the name of a network adapter, or nothing")
    rebind_rust: bool = _switch(False, "rebind a deaf Rust endpoint too")
    gap_queue: int = _whole_number(
        1000, 0, 100_000, "datagrams that wait while an endpoint has no socket"
    )
    no_peer_minutes: float = _number(
        10.0, 0.1, 1440, "minutes without a peer until that is told, 0 is never", off=True
    )
    tracker_sockets: bool = _switch(True, "in Tribler, ask each UDP tracker from its own socket")
    gap_queue_age: float = _number(5.0, 0.1, 3600, "seconds that a datagram waits so, at most")
    peer_monitor: str = _choice(
        "auto", ("on", "off"), "ask IPv8's peers whether they are there; auto: inside Tribler"
    )
    drop_gone_peers: bool = _switch(False, "remove a peer that has gone from IPv8's network")
    count_refused_pings: bool = _switch(False, "have Windows tell of refused pings, to count them")
    dht_pings: str = _choice(
        "auto", ("on", "off"), "ping the DHT's nodes where nobody does; auto: inside Tribler"
    )

    def __post_init__(self) -> None:
        """Check every value."""
        for field in dataclasses.fields(self):
            kind: _Kind = field.metadata[_KIND]
            value = getattr(self, field.name)
            try:
                kind.check(value)
            except (TypeError, ValueError) as exc:
                text = f"{field.name}={shown(value)}: allowed is {kind.allowed}"
                raise type(exc)(text) from None

    @property
    def port_failures(self) -> float:
        """How often a port cannot be bound until another is taken: 0 at once, infinity never."""
        return _port_failures(self.allow_port_change)

    @property
    def watches_ipv8(self) -> bool:
        """Whether the endpoints of IPv8 instances are watched."""
        return self.watch != "none"

    @property
    def watches_all(self) -> bool:
        """Whether every datagram transport is watched."""
        return _inside_tribler() if self.watch == "auto" else self.watch == "all"

    @property
    def monitors_peers(self) -> bool:
        """Whether the peers of IPv8 instances are asked whether they are there."""
        return _inside_tribler() if self.peer_monitor == "auto" else self.peer_monitor == "on"

    @property
    def pings_dht(self) -> bool:
        """Whether a DHT that pings nobody is made to."""
        return _inside_tribler() if self.dht_pings == "auto" else self.dht_pings == "on"

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
                        f"{name}={text!r}: allowed is {kind.words or kind.allowed}. "
                        f"The default, {_in_environ(field.default)}, is kept."
                    )
                else:
                    values[field.name] = value
        return cls(**values)


def _in_environ(value: Any) -> str:
    """A value as the environment gives it."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _inside_tribler() -> bool:
    return "tribler.core" in sys.modules


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    try:
        import difflib  # late: it takes long to import, and a misspelt name is rare
    except ImportError:  # a frozen program may do without
        return ""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f"; the nearest is {close[0]}" if close else ""


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warn_on_stderr(message)


_in_force = Settings()


def current_settings() -> Settings:
    """The settings in force: those of the last ``install()`` that was given any."""
    return _in_force


def settings_for(given: Settings | None) -> Settings:
    """Those that are *given*, or those in force for None; raises TypeError for anything else."""
    require_settings(given)
    return current_settings() if given is None else given


def require_settings(given: Any) -> None:
    """Raise TypeError where *given* is neither a ``Settings`` nor None."""
    if given is not None and not isinstance(given, Settings):
        raise TypeError(f"settings={given!r}: allowed is a tribler_udp_fix.Settings, or None")


def use_settings(settings: Settings) -> None:
    """Put *settings* in force, for what is made from now on."""
    global _in_force
    _in_force = settings
