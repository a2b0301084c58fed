"""An import of the program's: found as ever, and told of as soon as the module's code has run."""

# Neither "from __future__ import annotations" nor typing: the startup hook imports os and sys only.
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Callable, List, Optional, Sequence, Tuple


def find_spec(
    hook: object,
    name: str,
    path: "Optional[Sequence[str]]",
    target: "Optional[ModuleType]",
    ran: "Callable[[bool], None]",
) -> "Optional[ModuleSpec]":
    """Return what the finders behind the *hook* on ``sys.meta_path`` find.

    *ran* is called when the module's code has run, with whether that succeeded. What it raises
    makes the import fail.
    """
    for finder in _finders_behind(hook):
        # A finder without find_spec is skipped, as the import system does.
        find = getattr(finder, "find_spec", None)
        spec: Optional[ModuleSpec] = find and find(name, path, target)
        if spec is not None:
            if spec.loader is not None:  # None: a namespace package, not what we look for
                spec.loader = _TellingLoader(spec, spec.loader, ran)  # type: ignore[assignment]
            return spec
    return None


def leave(finder: object) -> bool:
    """Take *finder* off ``sys.meta_path``; return whether it was there still."""
    # A new list, not remove(): an import that is under way, in another thread or in a finder
    # that imports something itself, iterates over this list and would skip one of its finders.
    rest = [other for other in sys.meta_path if other is not finder]
    was_there = len(rest) < len(sys.meta_path)
    if was_there:
        sys.meta_path = rest
    return was_there


def _finders_behind(hook: object) -> "List[Any]":
    """Return the finders that come after the hook: those before it have been asked already."""
    finders: List[Any] = list(sys.meta_path)
    for position, finder in enumerate(finders):
        if finder is hook:
            return finders[position + 1 :]
    return finders


class _TellingLoader:
    """The module's own loader, but for ``exec_module`` and ``load_module``: these tell as well.

    Everything else is the real loader's, so that a loader without ``exec_module`` looks like one.
    Before the module's code runs the real loader is put back: no trace of this one stays.
    """

    _loader: "Optional[Loader]" = None  # of a copy in the making, which is asked for attributes

    def __init__(self, spec: "ModuleSpec", loader: "Loader", ran: "Callable[[bool], None]") -> None:
        self._spec = spec
        self._loader = loader
        self._ran = ran

    def __getattr__(self, name: str) -> "Any":
        attribute = getattr(self._loader, name)
        if name == "exec_module":
            return lambda module: self._run(attribute, module, module)
        if name == "load_module":
            return lambda fullname=self._spec.name: self._run(attribute, fullname, None)
        return attribute

    def _run(self, load: "Callable[[Any], Any]", argument: "Any", module: "Any") -> "Any":
        self._restore(module)
        # A copy that somebody makes beside sys.modules is not the module that the program uses.
        is_import = module is None or sys.modules.get(self._spec.name) is module
        try:
            result = load(argument)
        except BaseException:  # the program's own, whatever it is: it goes on below
            if is_import:
                self._ran(False)
            raise
        if is_import:
            self._ran(True)
        return result

    def _restore(self, module: "Any") -> None:
        specs: Tuple[Any, ...] = (self._spec, getattr(module, "__spec__", None))
        for spec in specs:
            if getattr(spec, "loader", None) is self:
                spec.loader = self._loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._loader
