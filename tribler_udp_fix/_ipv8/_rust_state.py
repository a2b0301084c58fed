"""What a Rust endpoint has been told, and has to be told again when it is reopened."""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import Any, Callable, Iterator

logger = logging.getLogger("tribler_udp_fix")

# By so many cells a key's nonce counter is set forward. Rust counts on from what Python has, and
# Python has what the key began with: a cell under a nonce that was used before gives away both.
# 2**28 cells are more than a circuit carries in its life, and the counter, of 32 bits, has room
# for fourteen times that.
SALT_STEP = 2**28
_SALTS = ("salt_explicit_forward", "salt_explicit_backward")

_MEMORY = "_tribler_udp_fix_memory"


class Memory:
    """Remembers what cannot be asked of a Rust endpoint: it lives in the endpoint's attributes.

    Only what is told to the endpoint itself is seen, and only from here on, but for the SOCKS5
    servers that it has already.
    """

    def __init__(self, endpoint: Any) -> None:
        self.socks5: dict[int, int] = {}
        self.told: dict[str, Any] = {}
        self.users = 0
        self._endpoint = endpoint
        self._methods: dict[str, Callable[..., None]] = {
            "apply_settings": self._on_apply_settings,
            "create_socks5_server": self._on_create_socks5_server,
            "set_exit_address": functools.partial(self._on_set, "set_exit_address"),
            "set_max_relay_early": functools.partial(self._on_set, "set_max_relay_early"),
            "set_peer_flags": functools.partial(self._on_set, "set_peer_flags"),
        }
        self._listening: dict[str, Any] = {}
        self.ask()

    @classmethod
    def of(cls, endpoint: Any) -> Memory:
        """The endpoint's memory, made when there is none; ``release()`` it in the end."""
        memory: Memory | None = vars(endpoint).get(_MEMORY)
        if memory is None:
            memory = cls(endpoint)
            setattr(endpoint, _MEMORY, memory)
            memory._listen()
        memory.users += 1
        return memory

    def release(self) -> None:
        """Leave no trace in the endpoint once nobody uses this any more."""
        self.users -= 1
        if self.users:
            return
        attributes = vars(self._endpoint)
        attributes.pop(_MEMORY, None)
        for name, listener in self._listening.items():
            if attributes.get(name) is listener:
                del attributes[name]

    def ask(self) -> None:
        """Ask the endpoint, where it is open, for its SOCKS5 servers."""
        with survived("ask a Rust endpoint for its SOCKS5 servers", logging.DEBUG):
            servers = self._endpoint.rust_ep.get_socks5_statistics()
            self.socks5.update((server["port"], server["hops"]) for server in servers)

    def _listen(self) -> None:
        for name, on_call in self._methods.items():
            original = getattr(self._endpoint, name, None)
            if original is not None and name not in vars(self._endpoint):
                listener = _listener(original, on_call)
                self._listening[name] = listener
                setattr(self._endpoint, name, listener)

    def _on_set(self, name: str, _result: Any, value: Any) -> None:
        self.told[name] = value

    def _on_apply_settings(self, _result: Any) -> None:
        # It sets them anew, from the settings of the tunnel community.
        for name in ("set_max_relay_early", "set_peer_flags"):
            self.told.pop(name, None)

    def _on_create_socks5_server(self, result: int, _port: int, hops: int) -> None:
        self.socks5[result] = hops


def _listener(original: Callable[..., Any], on_call: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def listener(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        on_call(result, *args, *kwargs.values())
        return result

    return listener


def restore_routing(endpoint: Any, rust_object: Any) -> None:
    """Tell *rust_object* of the endpoint's circuits, relays and exit sockets."""
    advanced: set[int] = set()
    for routing, add in (
        (endpoint.circuits, rust_object.add_circuit),
        (endpoint.relays, rust_object.add_relay),
        (endpoint.exit_sockets, rust_object.add_exit),
    ):
        for circuit_id, item in list(routing.data.items()):  # its own __getitem__ updates
            with survived(f"restore {type(item).__name__} {circuit_id}"):
                for keys in _session_keys(item):
                    _advance_salts(keys, advanced)
                add(circuit_id, item)
                if getattr(item, "dirty", False):
                    item.dirty = False


def restore_settings(endpoint: Any, memory: Memory) -> None:
    """Tell the endpoint's Rust object of the tunnel settings, and then of every prefix."""
    # The class's own, as memory would take them for the program's.
    cls = type(endpoint)
    with survived("restore the tunnel settings"):
        cls.apply_settings(endpoint)
    for name, value in memory.told.items():
        with survived(f"restore what {name}() set"):
            getattr(cls, name)(endpoint, value)
    # Without a tunnel community apply_settings() leaves them out. They come last: until then no
    # datagram reaches Python.
    with survived("restore the prefixes"):
        endpoint.rust_ep.set_prefixes(list(endpoint._prefix_map))


@contextlib.contextmanager
def no_panic() -> Iterator[None]:
    """Raise a panic in Rust, which is a BaseException in Python, as a RuntimeError."""
    try:
        yield
    except BaseException as exc:  # PanicException is no Exception
        if type(exc).__name__ != "PanicException":
            raise
        raise RuntimeError(f"a panic in Rust: {exc}") from exc


@contextlib.contextmanager
def survived(what: str, level: int = logging.WARNING) -> Iterator[None]:
    """Log that *what* failed, and go on."""
    try:
        with no_panic():
            yield
    except Exception as exc:  # of objects that are not ours: the rest is to be done all the same
        logger.log(level, "could not %s: %s: %s", what, type(exc).__name__, exc)


def _session_keys(item: Any) -> Iterator[Any]:
    hops = item._hops if hasattr(item, "_hops") else [item.hop]
    yield from (hop.keys for hop in hops if hop.keys is not None)
    hidden_service = getattr(item, "hs_session_keys", None)
    if hidden_service is not None:
        yield hidden_service


def _advance_salts(keys: Any, advanced: set[int]) -> None:
    if id(keys) in advanced:  # two relays may share them
        return
    salts = {name: getattr(keys, name) + SALT_STEP for name in _SALTS}
    if max(salts.values()) >= 2**32 - SALT_STEP:
        raise OverflowError("its keys have no nonces left")
    for name, value in salts.items():
        setattr(keys, name, value)
    advanced.add(id(keys))
