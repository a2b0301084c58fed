"""``RequestCache.passthrough()`` of IPv8 for the caches of who asked for it, and nobody else's.

Stock it is a switch of the whole ``RequestCache``: over an ``await`` it shortens the caches that
other tasks add meanwhile (F21), and the end of one within another ends both. Here it is of the
context that it was entered in, and of the tasks that are made there, until it is left.
"""

from __future__ import annotations

import contextlib
import contextvars
import weakref
from typing import Any, Callable, Iterator


class Scope:
    """One ``with`` block: which caches of *requests* it is for, and their time-out, in seconds."""

    def __init__(self, requests: Any, filters: list[type] | None, timeout: float) -> None:
        self.requests = weakref.ref(requests)  # a task that goes on keeps its context
        self.filters = filters
        self.timeout = timeout
        self.is_over = False


_scopes: contextvars.ContextVar[tuple[Scope, ...]] = contextvars.ContextVar(
    "tribler_udp_fix passthrough", default=()
)


@contextlib.contextmanager
def passthrough(
    requests: Any, cls_filter: type | None = None, *filters: type, timeout: float = 0.0
) -> Iterator[None]:
    """What replaces ``RequestCache.passthrough()``."""
    scope = Scope(requests, None if cls_filter is None else [cls_filter, *filters], timeout)
    _scopes.set((*_entered(), scope))
    try:
        yield
    finally:
        scope.is_over = True
        _scopes.set(_entered())  # no reset(): it may be left in another context


def add(
    wrapped: Callable[..., Any], requests: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What is put around ``RequestCache.add()``: IPv8's switch is on while it runs."""
    scope = next((s for s in reversed(_entered()) if s.requests() is requests), None)
    if scope is None:
        return wrapped(*args, **kwargs)
    before = requests._timeout_override, requests._timeout_filters
    requests._timeout_override, requests._timeout_filters = scope.timeout, scope.filters
    try:
        return wrapped(*args, **kwargs)
    finally:
        requests._timeout_override, requests._timeout_filters = before


def _entered() -> tuple[Scope, ...]:
    """The blocks that this context is in, the innermost last."""
    return tuple(scope for scope in _scopes.get() if not scope.is_over)
