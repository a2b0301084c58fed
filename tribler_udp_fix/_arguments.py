"""What public functions may be called with: errors name argument, value, and what is allowed."""

from __future__ import annotations

from typing import Any, Callable


def shown(value: Any, form: Callable[[Any], str] = repr) -> str:
    """What an error says *value* is. Of a number of thousands of digits Python makes no text."""
    try:
        return form(value)
    except ValueError:
        return f"{type(value).__name__}(…)"


def check_switch(name: str, value: Any) -> None:
    """Raise TypeError for what is neither True nor False."""
    if not isinstance(value, bool):
        import reprlib

        raise TypeError(f"{name}={shown(value, reprlib.repr)}: allowed is True or False")


def check_number(name: str, value: Any, allowed: str, accepts: Callable[[Any], bool]) -> None:
    """Raise TypeError for what is no number, and ValueError for one that *accepts* does not."""
    import numbers
    import reprlib

    text = f"{name}={shown(value, reprlib.repr)}: allowed is {allowed}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(text)
    if not accepts(value):  # NaN is in no range
        raise ValueError(text)


def check_function(name: str, value: Any, allowed: str = "a function that returns a bool") -> None:
    """Raise TypeError for what cannot be called, or has to be awaited; None is left out."""
    if value is not None and (not callable(value) or _is_awaited(value)):
        import reprlib

        kind = "an async one" if _is_awaited(value) else "no function"
        told = getattr(value, "__qualname__", None) or shown(value, reprlib.repr)
        raise TypeError(f"{name}={told}, {kind}: allowed is {allowed}")


def require_callback(given: Any) -> None:
    """Raise TypeError where *given* can be called by no event, and is not None either."""
    check_function("on_event", given, "a function that takes an event, or None")


def _is_awaited(function: Any) -> bool:
    from inspect import iscoroutinefunction  # late: settings are read while a program starts

    call = getattr(function, "__call__", None)  # noqa: B004 - of an object it may be the async one
    return iscoroutinefunction(function) or iscoroutinefunction(call)
