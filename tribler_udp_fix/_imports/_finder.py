"""A finder that closes gates behind the modules that are to be repaired, when they have run."""

# Neither "from __future__ import annotations" nor typing: the startup hook imports os and sys only.
import sys

from tribler_udp_fix._imports._gates import close_gate
from tribler_udp_fix._imports._loader import find_spec, leave
from tribler_udp_fix._imports._whole import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Callable, Mapping, Optional, Sequence, Tuple

    Gates = Mapping[str, Sequence[Tuple[str, str, str]]]


class ImportFinder:
    """A finder on ``sys.meta_path`` that finds nothing, and closes gates when a module has run.

    *gates* are by module: the functions (module, class or "", name) that a program calls before
    anything of the module matters. ``arrive`` is what is called at a gate. With ``waits_for`` the
    name of a module, the hook waits for the program to import that, and installs nothing before;
    without, only those modules are looked for that are repaired whenever they are imported.

    Not wrapt's post-import hooks: these take a module that another thread is importing for one that
    is there, run some hooks under a lock (wrapt 1.14), and stay on ``sys.meta_path`` for ever.
    """

    def __init__(self, gates: "Gates", once: str) -> None:
        self.arrive = lambda: None  # type: Callable[[], None]
        self.waits_for = ""
        self._gates = gates
        self._once = once
        self._openers = []  # type: list[Tuple[str, Callable[[], None]]]

    def wait(self, arrive: "Callable[[], None]") -> None:
        """Wait for the program's imports; *arrive* is called at the gates, to install."""
        self.arrive = arrive
        self.waits_for = self._once
        self.enter()
        for module in self._gates:
            if whole(module) is not None:
                self.close_gates(module)

    def enter(self) -> None:
        """Go on ``sys.meta_path``; twice is once."""
        if not self._is_there():
            sys.meta_path = [self, *sys.meta_path]  # as leave() does, and for its reason

    def leave(self) -> None:
        """Leave ``sys.meta_path``, wait no more, and open every gate."""
        self.waits_for = ""
        leave(self)
        self.open_gates(self._gates)

    def close_gates(self, module: str) -> None:
        """Close the gates of a module whose code has run."""
        for home, cls, name in self._gates[module]:
            # Not self.arrive itself, which changes when the rest of the package is there.
            opener = close_gate(home, cls, name, lambda: self.arrive())
            if opener is not None:
                self._openers.append((module, opener))  # one step, for whichever thread

    def open_gates(self, modules: "Sequence[str] | Gates") -> None:
        """Open the gates of these modules."""
        for entry in list(self._openers):
            if entry[0] in modules:
                entry[1]()
                try:
                    self._openers.remove(entry)
                except ValueError:
                    continue  # another thread was faster

    def _is_there(self) -> bool:
        return any(finder is self for finder in sys.meta_path)

    def find_spec(
        self,
        fullname: str,
        path: "Optional[Sequence[str]]" = None,
        target: "Optional[ModuleType]" = None,
    ) -> "Optional[ModuleSpec]":
        """What the finders behind this one find, for a module with gates; else None."""
        if fullname not in self._gates or (fullname == self._once and not self.waits_for):
            return None

        def ran(succeeded: bool) -> None:
            if succeeded:
                self.close_gates(fullname)
                if not self._is_there():  # it left meanwhile: nobody would open them
                    self.open_gates((fullname,))

        return find_spec(self, fullname, path, target, ran)
