"""The program's imports: a finder that tells when a module has run, and gates before its use.

CPython holds the global import lock while it asks a finder, and the module's own lock until its
code has run. Whatever waits in there waits for ever as soon as another thread holds what it waits
for. So the finder only hands out a loader that tells when the module has run; and then functions of
the module, through which the program has to go before anything of ours matters, become *gates*:
what is called there first installs the repairs, outside of every import. Nothing in here imports,
takes a lock or logs before that.

Nothing in here knows what is repaired, only by which names it is found; it imports nothing else of
this package. All that the startup hook needs at once is in this one file: each file more costs
every start of a Python with the hook on 0.1 ms.
"""

# Neither "from __future__ import annotations" nor typing: the startup hook imports os and sys only.
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Callable, Container, Mapping, Optional, Sequence, Tuple

    Gates = Mapping[str, Sequence[Tuple[str, str, str]]]

ASYNCIO = "asyncio"
# Within an import of these nothing is installed: another thread may be waiting for this one in
# there, and what is needed to install is imported from these.
NEEDED = (ASYNCIO, "wrapt", "tribler_udp_fix")

_SINCE_3_14 = sys.version_info >= (3, 14)
_POLICY = "_BaseDefaultEventLoopPolicy" if _SINCE_3_14 else "BaseDefaultEventLoopPolicy"
_NEW_EVENT_LOOP = (("asyncio.events", "", "new_event_loop"), ("asyncio", "", "new_event_loop"))
_TRACKERS = "UdpSocketManager"
_CHECKER_7 = "tribler.core.components.torrent_checker.torrent_checker"

# By module, the gates of each: module, class or "", function. They are called before anything of
# ours matters: the making of an event loop, of an endpoint, of an instance of IPv8 or of a session
# of Tribler. None of them is called under a lock of somebody else's.
GATES = {
    ASYNCIO: (
        # Not the policy's own making: that is under a lock of asyncio's.
        ("asyncio.events", _POLICY, "new_event_loop"),
        ("asyncio.base_events", "BaseEventLoop", "__init__"),
        # For a loop that was made where nothing could be installed.
        ("asyncio.base_events", "BaseEventLoop", "run_forever"),
        # From here on it is this function that the setting "loop" replaces.
        *(_NEW_EVENT_LOOP if _SINCE_3_14 else ()),
    ),
}
for _module, _cls, _name in (
    ("ipv8.messaging.interfaces.udp.endpoint", "UDPEndpoint", "__init__"),
    ("ipv8.messaging.interfaces.statistics_endpoint", "StatisticsEndpoint", "__init__"),
    ("ipv8.messaging.anonymization.endpoint", "TunnelEndpoint", "__init__"),
    ("ipv8_service", "IPv8", "__init__"),
    ("ipv8.peerdiscovery.churn", "RandomChurn", "__init__"),
    ("ipv8.peerdiscovery.network", "Network", "__init__"),
    ("ipv8.peerdiscovery.community", "DiscoveryCommunity", "__init__"),
    ("ipv8.requestcache", "RequestCache", "__init__"),
    ("ipv8.dht.discovery", "DHTDiscoveryCommunity", "__init__"),
    ("tribler.core.session", "Session", "__init__"),
    ("tribler.core.start_core", "", "components_gen"),
    ("tribler.core.components.restapi.rest.rest_manager", "RESTManager", "__init__"),
    ("tribler.core.torrent_checker.torrentchecker_session", _TRACKERS, "__init__"),
    (f"{_CHECKER_7}.torrentchecker_session", _TRACKERS, "__init__"),
):
    GATES[_module] = ((_module, _cls, _name),)


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
        if any(module in sys.modules for module in self._gates):
            from tribler_udp_fix._imports._whole import whole

            for module in self._gates:
                if whole(module) is not None:
                    self.close_gates(module)

    def enter(self) -> None:
        """Go on ``sys.meta_path``; twice is once."""
        if not self._is_there():
            sys.meta_path = [self, *sys.meta_path]  # as _leave() does, and for its reason

    def leave(self) -> None:
        """Leave ``sys.meta_path``, wait no more, and open every gate."""
        self.waits_for = ""
        _leave(self)
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

        return _find_spec(self, fullname, path, target, ran)


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


def _find_spec(
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


def _leave(finder: object) -> None:
    """Take *finder* off ``sys.meta_path``."""
    # A new list, not remove(): an import that is under way, in another thread or in a finder
    # that imports something itself, iterates over this list and would skip one of its finders.
    sys.meta_path = [other for other in sys.meta_path if other is not finder]


def _finders_behind(hook: object) -> "list[Any]":
    """Return the finders that come after the hook: those before it have been asked already."""
    finders: list[Any] = list(sys.meta_path)
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


FINDER = ImportFinder(GATES, ASYNCIO)
