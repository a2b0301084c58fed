"""A Rust endpoint that has gone deaf."""

from __future__ import annotations

import contextlib
import secrets
from typing import Any, Iterator

PREFIX = 22  # bytes


@contextlib.contextmanager
def deaf_rust_endpoint(endpoint: Any) -> Iterator[None]:
    """Have an open endpoint of ipv8-rust-tunnels hear nothing, while ``is_open()`` stays true.

    Its Rust object is told to listen for one prefix that nobody knows, so that each datagram, cells
    and probes included, ends in Rust, as if the task that reads had died. Sends leave as ever. A
    prefix listener that is added or removed meanwhile ends the deafness, and so does a rebind.

    Afterwards the same Rust object, where it is still in place and open, hears what it heard.

    Raises TypeError for a Rust endpoint that hands every prefix to Python (0.1.17), or any other.
    """
    rust_object: Any = getattr(endpoint, "rust_ep", None)
    if not hasattr(rust_object, "set_prefixes"):
        raise TypeError(f"{endpoint!r}: allowed is a Rust endpoint that has set_prefixes()")
    unknown = secrets.token_bytes(PREFIX)
    rust_object.set_prefix(unknown)
    rust_object.set_prefixes([unknown])
    try:
        yield
    finally:
        if endpoint.rust_ep is rust_object and rust_object.is_open():
            rust_object.set_prefix(bytes(PREFIX))  # what it has without a tunnel community
            endpoint.apply_settings()
            rust_object.set_prefixes(list(endpoint._prefix_map))
