"""The startup hook: what ``tribler_udp_fix.pth`` runs when the interpreter starts.

``main()`` repairs asyncio once the program has imported it, and not before: it imports neither
asyncio nor wrapt (wrapt 2.2.2 and later import asyncio, and cost 80 ms), only os and sys. Whatever
goes wrong in here is one line on stderr; the program runs as it would have.
"""

# Neither "from __future__ import annotations" nor typing: the hook imports os and sys only.
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Callable, Optional, Sequence, Set

SWITCH = "TRIBLER_UDP_FIX"
ON_VALUES = ("1", "true", "yes", "on")
OFF_VALUES = ("", "0", "false", "no", "off")  # the line in the .pth names them, and stops there

TARGET = "asyncio"

_ran = False
_refused_values: "Set[str]" = set()


def warn(message: str) -> None:
    """Write one line to stderr; where there is no usable stderr (pythonw.exe has None), nothing."""
    try:
        sys.stderr.write(f"tribler_udp_fix: {message}\n")
        sys.stderr.flush()
    except Exception:
        pass  # nowhere to say it, and nothing that may stop the program


def main() -> None:
    """Repair asyncio when the program imports it, if the variable TRIBLER_UDP_FIX says so.

    Returns at once when the variable is off, or holds a value that is neither on nor off (one
    warning). A second call does nothing: in a venv on Python 3.8 to 3.14 a ``.pth`` line runs twice
    (https://github.com/python/cpython/issues/75723). Raises nothing.
    """
    global _ran
    try:
        if _ran or not _switched_on(os.environ.get(SWITCH, "")):
            return
        _ran = True
        if sys.modules.get(TARGET) is None:
            sys.meta_path.insert(0, AsyncioFinder(_install))
        else:
            _install()
    except Exception as exc:
        _report(exc)


def _switched_on(value: str) -> bool:
    word = value.strip().lower()
    if word in ON_VALUES:
        return True
    if word not in OFF_VALUES and value not in _refused_values:
        _refused_values.add(value)
        warn(
            f"{SWITCH}={value!r}: allowed are {', '.join(ON_VALUES)} (on) and "
            f"{', '.join(OFF_VALUES[1:])} or nothing (off). The repairs stay off."
        )
    return False


def _install() -> None:
    """Install the repairs with the settings of the environment; a failure is one line on stderr."""
    try:
        from tribler_udp_fix import Settings, install

        install(Settings.from_environ(os.environ))
    except Exception as exc:
        _report(exc)


def _report(exc: Exception) -> None:
    reason = " ".join(f"{type(exc).__name__}: {exc}".split())
    warn(f"the repairs are not on ({reason}). To switch this off, set {SWITCH}=0.")


class AsyncioFinder:
    """A finder on ``sys.meta_path`` that calls ``done()`` once, after the program imported asyncio.

    It finds asyncio through the finders behind it, and leaves when asyncio's code has run, whether
    or not that raised. Looking for asyncio without importing it (``importlib.util.find_spec``,
    which ``python -m asyncio`` does first) does not use it up.
    """

    def __init__(self, done: "Callable[[], None]") -> None:
        self._done = done
        self._spent = False

    def find_spec(
        self,
        fullname: str,
        path: "Optional[Sequence[str]]" = None,
        target: "Optional[ModuleType]" = None,
    ) -> "Optional[ModuleSpec]":
        """Return asyncio's spec, its loader telling when it has run; None for anything else."""
        if fullname != TARGET or self._spent:
            return None
        for finder in self._finders_behind():
            # A finder without find_spec is skipped, as the import system does.
            find_spec = getattr(finder, "find_spec", None)
            spec: Optional[ModuleSpec] = find_spec and find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:  # None: a namespace package, not asyncio
                    spec.loader = _TellingLoader(spec, spec.loader, self)  # type: ignore[assignment]
                return spec
        return None

    def _finders_behind(self) -> "list[Any]":
        """Return the finders that come after this one: those before it have been asked already."""
        finders: list[Any] = list(sys.meta_path)
        for position, finder in enumerate(finders):
            if finder is self:
                return finders[position + 1 :]
        return finders

    def asyncio_ran(self, succeeded: bool) -> None:
        """Leave ``sys.meta_path``, and call ``done()`` the first time asyncio was imported."""
        if self._spent:
            return
        self._spent = True
        # A new list, not remove(): an import that is under way, in another thread or in a finder
        # that imports asyncio itself, iterates over this list and would skip one of its finders.
        sys.meta_path = [finder for finder in sys.meta_path if finder is not self]
        if succeeded:
            self._done()


class _TellingLoader:
    """Asyncio's own loader but for ``exec_module`` and ``load_module``, which tell the finder.

    Everything else is the real loader's, so that a loader without ``exec_module`` looks like one.
    Before asyncio's code runs the real loader is put back: no trace of this one stays.
    """

    def __init__(self, spec: "ModuleSpec", loader: "Loader", finder: AsyncioFinder) -> None:
        self._spec = spec
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> "Any":
        attribute = getattr(self._loader, name)
        if name == "exec_module":
            return lambda module: self._run(attribute, module, module)
        if name == "load_module":
            return lambda fullname=TARGET: self._run(attribute, fullname, None)
        return attribute

    def _run(self, load: "Callable[[Any], Any]", argument: "Any", module: "Any") -> "Any":
        self._restore(module)
        # A copy that somebody makes beside sys.modules is not the asyncio that the program uses.
        is_import = module is None or sys.modules.get(TARGET) is module
        try:
            result = load(argument)
        except BaseException:
            if is_import:
                self._finder.asyncio_ran(succeeded=False)
            raise
        if is_import:
            self._finder.asyncio_ran(succeeded=True)
        return result

    def _restore(self, module: "Any") -> None:
        specs: tuple[Any, ...] = (self._spec, getattr(module, "__spec__", None))
        for spec in specs:
            if getattr(spec, "loader", None) is self:
                spec.loader = self._loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._loader
