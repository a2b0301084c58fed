"""Gates: functions of somebody else's that the program has to pass before ours is needed."""

# Neither "from __future__ import annotations" nor typing: the startup hook imports os and sys only.
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Container, Optional

_BEHIND = "_tribler_udp_fix_behind"  # the attribute of a gate that holds the function behind it
_FUNCTION = type(lambda: None)


def close_gate(
    module: str, cls: str, name: str, arrive: "Callable[[], None]"
) -> "Optional[Callable[[], None]]":
    """Have *arrive* called before each call of a function of *module*, or of its class *cls*.

    Returns what opens the gate again; None where there is no such function, or a gate already.
    When *arrive* has had the function repaired, the call that waits goes to the repaired one.
    """
    owner = sys.modules.get(module)  # type: Any
    if cls:
        owner = vars(owner).get(cls) if owner is not None else None
        # Defined there, not imported: what stands there under this name may be the program's own.
        if not isinstance(owner, type) or owner.__module__ != module:
            return None
    function = vars(owner).get(name) if owner is not None else None  # type: Any
    if type(function) is not _FUNCTION or _BEHIND in vars(function):
        return None

    def gate(*args: "Any", **kwargs: "Any") -> "Any":
        arrive()
        now = vars(owner).get(name)
        # By what it wraps: a wrapper that somebody else put over the gate would call it for ever.
        if now is not gate and getattr(now, "__wrapped__", None) is function:
            return getattr(owner, name)(*args, **kwargs)
        return function(*args, **kwargs)

    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(gate, attribute, getattr(function, attribute))
    vars(gate).update(vars(function), __wrapped__=function, **{_BEHIND: function})
    setattr(owner, name, gate)
    return lambda: open_gate(owner, name, gate)


def open_gate(owner: "Any", name: str, gate: "Any" = None) -> None:
    """Put the function back where a gate, or this *gate*, stands before it."""
    there = vars(owner).get(name)
    function = behind(there)
    if function is not there and gate in (None, there):
        setattr(owner, name, function)


def behind(function: "Any") -> "Any":
    """The function itself, where a gate stands before it."""
    return vars(function)[_BEHIND] if is_gate(function) else function


def is_gate(function: object) -> bool:
    """Whether it is a gate."""
    return type(function) is _FUNCTION and _BEHIND in vars(function)


def is_importing(packages: "Container[str]") -> bool:
    """Whether this thread is within an import of one of these packages, and holds its lock."""
    frame = sys._getframe()  # type: Optional[Any]
    while frame is not None:
        code = frame.f_code
        is_import = code.co_name == "_find_and_load" and "importlib._bootstrap" in code.co_filename
        if is_import and frame.f_locals["name"].partition(".")[0] in packages:
            return True
        frame = frame.f_back
    return False
