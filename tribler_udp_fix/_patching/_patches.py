"""Replace methods and functions that belong to somebody else, and put them back.

A patch looks before it leaps: it names the signature and the names that its replacement relies
on, and where the target has another shape it refuses. Patches are applied together or not at
all. Restoring goes by identity: a method that somebody else wrapped after us is theirs to
unwrap, so ours stays below it and, being off, only calls on.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any, Callable, Dict, Iterable, NamedTuple, Protocol, Sequence, Tuple, Union

from tribler_udp_fix._imports import behind, open_gate
from tribler_udp_fix._patching._wrapt import wrapt_patches

Owner = Union[type, ModuleType]  # a class with a method, or a module with a function
Wrapper = Callable[[Callable[..., Any], Any, Tuple[Any, ...], Dict[str, Any]], Any]


class Check(Protocol):
    """Something that a patch relies on."""

    def mismatch(self) -> str | None:
        """Why it is not what we know, or None."""


class Shape(NamedTuple):
    """What a function must look like: its parameters, and names its code must mention."""

    owner: Owner
    name: str
    parameters: Sequence[str]
    mentions: Iterable[str] = ()
    coroutine: bool = False

    def mismatch(self) -> str | None:
        """Why the function is not the one we know, or None."""
        function = behind(vars(self.owner).get(self.name, _MISSING))
        where = f"{self.owner.__name__}.{self.name}"
        if function is _MISSING:
            return f"{where} is not there"
        if not inspect.isfunction(function):
            return f"{where} is a {type(function).__name__}, not a function"
        parameters = list(inspect.signature(function).parameters)
        if parameters != list(self.parameters):
            return f"{where} takes ({', '.join(parameters)})"
        if inspect.iscoroutinefunction(function) != self.coroutine:
            return f"{where} is {'not ' if self.coroutine else ''}a coroutine function"
        code = function.__code__
        missing = sorted(set(self.mentions) - {*code.co_names, *code.co_freevars})
        return f"{where} does not use {', '.join(missing)}" if missing else None


class OneOf(NamedTuple):
    """A function that has had more than one shape, each of them known; the newest is last."""

    shapes: tuple[Shape, ...]

    def mismatch(self) -> str | None:
        """Why the function has none of the shapes, told by the newest; or None."""
        reasons = [shape.mismatch() for shape in self.shapes]
        return None if None in reasons else reasons[-1]


class Inherited(NamedTuple):
    """An attribute that a class must have from its base class *home*, and not by itself."""

    owner: type
    name: str
    home: type

    def mismatch(self) -> str | None:
        """Whose it is instead, or None."""
        home = home_of(self.owner, self.name)
        if home is self.home:
            return None
        where = f"{self.owner.__name__}.{self.name}"
        return f"{where} is {home.__name__}'s" if home else f"{where} is not there"


class Exported(NamedTuple):
    """A function of the module *home* that *module* must hand out as its own."""

    module: ModuleType
    name: str
    home: ModuleType

    def mismatch(self) -> str | None:
        """That it hands out another one, or None."""
        there = behind(vars(self.module).get(self.name, _MISSING))
        if there is not _MISSING and there is behind(vars(self.home).get(self.name)):
            return None
        return f"{self.module.__name__}.{self.name} is not {self.home.__name__}'s"


def home_of(owner: type, name: str) -> type | None:
    """The class that gives *owner* its attribute *name*, or None where nothing does."""
    return next((cls for cls in owner.__mro__ if name in vars(cls)), None)


class Patch:
    """One method or function, replaced by a wrapper ``(wrapped, instance, args, kwargs)``, wrapt's.

    A method that the class only inherits is replaced for this class, and inherited again after.
    *exporters* are modules that hand the same function out (see ``Exported``): they get the same
    wrapper.
    """

    def __init__(
        self, owner: Owner, name: str, wrapper: Wrapper, exporters: tuple[ModuleType, ...] = ()
    ) -> None:
        self.owner = owner
        self.name = name
        self._wrapper = wrapper
        self._exporters = exporters
        self._original: Any = None
        self._replacement: Any = None
        self._active = False

    def apply(self) -> None:
        """Put the wrapper in place, or switch it on again where it could not be removed."""
        if self._replacement is None or self._was_removed():
            wrap_function_wrapper = wrapt_patches().wrap_function_wrapper
            for owner in (self.owner, *self._exporters):
                open_gate(owner, self.name)
            self._original = vars(self.owner).get(self.name, _MISSING)
            self._replacement = wrap_function_wrapper(self.owner, self.name, self._dispatch)
            for module in self._exporters:
                setattr(module, self.name, self._replacement)
        self._active = True

    def restore(self) -> str | None:
        """Put the original back; where another wrapper lies over ours, say so and stay, off."""
        self._active = False
        if self._replacement is None or self._was_removed():
            self._replacement = self._original = None
            return None
        for owner in (self.owner, *self._exporters):
            if vars(owner).get(self.name) is not self._replacement:
                return f"{owner.__name__}.{self.name} was wrapped again by another package"
        for owner in (self.owner, *self._exporters):
            if self._original is _MISSING:
                delattr(owner, self.name)
            else:
                setattr(owner, self.name, self._original)
        self._replacement = self._original = None
        return None

    def _was_removed(self) -> bool:
        return vars(self.owner).get(self.name, _MISSING) is self._original

    def _dispatch(
        self,
        wrapped: Callable[..., Any],
        instance: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if not self._active:
            return wrapped(*args, **kwargs)
        return self._wrapper(wrapped, instance, args, kwargs)


class Repair(NamedTuple):
    """Patches that make sense together only, and the faults of the catalogue they mend.

    ``not_needed`` says why there is nothing to mend: then there is nothing to patch.
    """

    how: str
    faults: tuple[str, ...]
    shapes: tuple[Check, ...] = ()
    patches: tuple[Patch, ...] = ()
    not_needed: str = ""


def apply_all(patches: Sequence[Patch]) -> None:
    """Apply every patch; when one raises, restore those before it and let it raise."""
    applied: list[Patch] = []
    try:
        for patch in patches:
            applied.append(patch)
            patch.apply()
    except BaseException:  # an interrupt, too, must not leave a half-patched program
        for patch in reversed(applied):
            patch.restore()
        raise


def first_mismatch(shapes: Iterable[Check]) -> str | None:
    """The first reason not to patch, or None where every shape is known."""
    for shape in shapes:
        reason = shape.mismatch()
        if reason is not None:
            return reason
    return None


_MISSING: Any = object()
