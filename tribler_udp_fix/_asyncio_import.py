"""The program's import of asyncio: found as ever, and repaired as soon as its code has run."""

# Neither "from __future__ import annotations" nor typing: the hook imports os and sys only.
import os
import sys

from tribler_udp_fix._startup import AsyncioFinder, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Callable, List, Optional, Sequence, Tuple


def install() -> None:
    """Install the repairs with the settings of the environment; a failure is one line on stderr."""
    try:
        from tribler_udp_fix import Settings, install

        install(Settings.from_environ(os.environ))
    except Exception as exc:
        report(exc)


def find_spec(
    hook: AsyncioFinder,
    name: str,
    path: "Optional[Sequence[str]]",
    target: "Optional[ModuleType]",
) -> "Optional[ModuleSpec]":
    """Return what the finders behind the *hook* find, with a loader that repairs asyncio."""
    for finder in _finders_behind(hook):
        # A finder without find_spec is skipped, as the import system does.
        find = getattr(finder, "find_spec", None)
        spec: Optional[ModuleSpec] = find and find(name, path, target)
        if spec is not None:
            if spec.loader is not None:  # None: a namespace package, not asyncio
                spec.loader = _RepairingLoader(spec, spec.loader, hook)  # type: ignore[assignment]
            return spec
    return None


def _finders_behind(hook: AsyncioFinder) -> "List[Any]":
    """Return the finders that come after the hook: those before it have been asked already."""
    finders: List[Any] = list(sys.meta_path)
    for position, finder in enumerate(finders):
        if finder is hook:
            return finders[position + 1 :]
    return finders


class _RepairingLoader:
    """Asyncio's own loader, but for ``exec_module`` and ``load_module``: these repair it as well.

    Everything else is the real loader's, so that a loader without ``exec_module`` looks like one.
    Before asyncio's code runs the real loader is put back: no trace of this one stays.
    """

    def __init__(self, spec: "ModuleSpec", loader: "Loader", hook: AsyncioFinder) -> None:
        self._spec = spec
        self._loader = loader
        self._hook = hook

    def __getattr__(self, name: str) -> "Any":
        attribute = getattr(self._loader, name)
        if name == "exec_module":
            return lambda module: self._run(attribute, module, module)
        if name == "load_module":
            return lambda fullname="asyncio": self._run(attribute, fullname, None)
        return attribute

    def _run(self, load: "Callable[[Any], Any]", argument: "Any", module: "Any") -> "Any":
        self._restore(module)
        # A copy that somebody makes beside sys.modules is not the asyncio that the program uses.
        is_import = module is None or sys.modules.get("asyncio") is module
        try:
            result = load(argument)
        except BaseException:  # the program's own, whatever it is: it goes on below
            if is_import:
                self._hook.leave()
            raise
        if is_import and self._hook.leave():
            install()
        return result

    def _restore(self, module: "Any") -> None:
        specs: Tuple[Any, ...] = (self._spec, getattr(module, "__spec__", None))
        for spec in specs:
            if getattr(spec, "loader", None) is self:
                spec.loader = self._loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._loader
