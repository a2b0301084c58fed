"""Replace methods of classes that belong to somebody else, and put them back.

A patch looks before it leaps: it names the signature and the names that its replacement relies
on, and where the target has another shape it refuses. Patches are applied together or not at
all. Restoring goes by identity: a method that somebody else wrapped after us is theirs to
unwrap, so ours stays below it and, being off, only calls on.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, Iterable, NamedTuple, Sequence, Tuple

Wrapper = Callable[[Callable[..., Any], Any, Tuple[Any, ...], Dict[str, Any]], Any]


class Shape(NamedTuple):
    """What a function must look like: its parameters, and names its code must mention."""

    owner: type
    name: str
    parameters: Sequence[str]
    mentions: Iterable[str] = ()

    def mismatch(self) -> str | None:
        """Why the function is not the one we know, or None."""
        function = vars(self.owner).get(self.name, _MISSING)
        where = f"{self.owner.__name__}.{self.name}"
        if function is _MISSING:
            return f"{where} is not there"
        if not inspect.isfunction(function):
            return f"{where} is a {type(function).__name__}, not a function"
        parameters = list(inspect.signature(function).parameters)
        if parameters != list(self.parameters):
            return f"{where} takes ({', '.join(parameters)})"
        code = function.__code__
        missing = sorted(set(self.mentions) - {*code.co_names, *code.co_freevars})
        return f"{where} does not use {', '.join(missing)}" if missing else None


class Patch:
    """One method, replaced by a wrapper of wrapt's form ``(wrapped, instance, args, kwargs)``."""

    def __init__(self, owner: type, name: str, wrapper: Wrapper) -> None:
        self.owner = owner
        self.name = name
        self._wrapper = wrapper
        self._original: Any = None
        self._replacement: Any = None
        self._active = False

    def apply(self) -> None:
        """Put the wrapper in place, or switch it on again where it could not be removed."""
        if self._replacement is None or self._was_removed():
            # Not `import wrapt`: when the program is importing wrapt itself, the startup hook
            # can run inside its half-made package. Late, because wrapt takes 95 ms to import.
            from wrapt.patches import wrap_function_wrapper

            self._original = vars(self.owner)[self.name]
            self._replacement = wrap_function_wrapper(self.owner, self.name, self._dispatch)
        self._active = True

    def restore(self) -> str | None:
        """Put the original back; where another wrapper lies over ours, say so and stay, off."""
        self._active = False
        if self._replacement is None or self._was_removed():
            self._replacement = self._original = None
            return None
        if vars(self.owner).get(self.name) is not self._replacement:
            return f"{self.owner.__name__}.{self.name} was wrapped again by another package"
        setattr(self.owner, self.name, self._original)
        self._replacement = self._original = None
        return None

    def _was_removed(self) -> bool:
        return vars(self.owner).get(self.name) is self._original

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
    """Patches that make sense together only, and the faults of the catalogue they mend."""

    how: str
    faults: tuple[str, ...]
    shapes: tuple[Shape, ...]
    patches: tuple[Patch, ...]


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


def first_mismatch(shapes: Iterable[Shape]) -> str | None:
    """The first reason not to patch, or None where every shape is known."""
    for shape in shapes:
        reason = shape.mismatch()
        if reason is not None:
            return reason
    return None


_MISSING: Any = object()
