"""What runs first in a side-car: a copy of a frozen program's launcher, which starts that program
with the plugin on.

cx_Freeze's launchers look for modules in the folder ``lib`` beside them, and import ``__startup__``
and then ``__init__`` with the program's name from there; those of 8.6 and later have the first of
the two, and the standard library's core, within themselves. The side-car's ``lib`` has modules of
these names that call start(), which turns to the installation for everything else, and for the
modules of these names too. ``tribler_udp_fix.cli.sidecar`` makes it, and docs/frozen.md is for its
users.
"""

# Neither "from __future__ import annotations" nor typing: until the installation is on sys.path
# nothing can be imported but what is in the interpreter, and encodings.
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, NoReturn, Sequence, Tuple

    Watched = Sequence[Tuple[str, int, int]]
    Renewing = Dict[str, str]

PROBE = "UDP_FIX_PROBE"  # not a name that could be a setting
WORKS = "works"


def start(name: str, installation: str, watched: "Watched", renewing: "Renewing") -> None:
    """Start the frozen program in *installation*, from its launcher's import of the module *name*.

    *watched* are the files that the side-car has copies of: name, size in bytes, time of the last
    change in nanoseconds. Where one of them has changed, the copies may not fit the rest: the
    side-car is made anew by the Python that *renewing* names as "python", which starts it then.
    Where that fails the program is started as it is, without the plugin, and a message says why,
    and what to do, which is *renewing*'s "advice".

    With the variable UDP_FIX_PROBE, a file's name, the program is not started. That file
    says instead whether it could have been: "works", or why not.
    """
    if PROBE in os.environ:
        _probe(name, installation, watched)
    changed = what_changed(installation, watched)
    if changed:
        _start_anew(installation, watched, changed, renewing)
    _turn_to(name, installation)
    _switch_on()
    # Importing a module gives back what is in sys.modules by then.
    __import__(name)


def start_here(
    names: "Sequence[str]", installation: str, watched: "Watched", renewing: "Renewing"
) -> None:
    """Start the frozen program in *installation* in this Python, of the same minor version.

    *names* are those of its modules that start it, ``__init__`` and ``__main__`` with its name.
    For the rest it is as start().
    """
    changed = what_changed(installation, watched)
    if changed and PROBE not in os.environ:
        try:
            _start_anew(installation, watched, changed, renewing)
        except SystemExit as exc:
            _show(str(exc))
            raise
    # This Python's own standard library first: its parts fit one another.
    sys.path += [*_search_path(installation), _site()]
    _find_dlls(installation)
    if PROBE in os.environ:
        _answer_and_leave(names[0])
    _switch_on()
    __import__(names[0]).run(names[1])


def what_changed(installation: str, watched: "Watched") -> str:
    """Name the first of the files that is not what it was; "" where all are."""
    for name, size, changed in watched:
        try:
            now = os.stat(os.path.join(installation, name))
        except OSError:
            return name
        if (now.st_size, now.st_mtime_ns) != (size, changed):
            return name
    return ""


def _turn_to(name: str, installation: str) -> None:
    sys.path[:] = [*_search_path(installation), _site()]
    # cx_Freeze finds the folders of some packages' DLLs in there.
    sys.prefix = sys.exec_prefix = sys.base_prefix = sys.base_exec_prefix = installation
    # This very module, and the constants that the launcher's own __startup__ met without.
    sys.modules.pop(name, None)
    sys.modules.pop("BUILD_CONSTANTS", None)
    startup = sys.modules.get("__startup__")
    if startup is not None:
        startup.init()  # again, with the search path of the installation


def _search_path(installation: str) -> "list[str]":
    lib = os.path.join(installation, "lib")
    return [os.path.join(lib, "library.zip"), lib]


def _site() -> str:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return os.path.dirname(package)


def _find_dlls(installation: str) -> None:
    lib = os.path.join(installation, "lib")
    others = getattr(__import__("BUILD_CONSTANTS"), "__LIBS__", None) or ""
    folders = [lib, *(os.path.join(lib, other) for other in others.split(os.pathsep) if other)]
    for folder in folders:
        if sys.platform == "win32" and os.path.isdir(folder):
            os.add_dll_directory(folder)
    os.environ["PATH"] = os.pathsep.join([lib, os.environ.get("PATH", "")])


def _switch_on() -> None:
    from tribler_udp_fix._startup import main
    from tribler_udp_fix._switch import SWITCH

    os.environ.setdefault(SWITCH, "1")  # TRIBLER_UDP_FIX=0 still switches it off
    main()


def _probe(name: str, installation: str, watched: "Watched") -> "NoReturn":
    try:
        changed = what_changed(installation, watched)
        if changed:
            _answer(f"{changed} has changed")
        _turn_to(name, installation)
        module = __import__(name)
        if name == "__startup__":
            module.init()
            name = "__init__" + module.get_name(sys.executable)
    except BaseException as exc:  # SystemExit, too, is an answer here
        _answer(f"{type(exc).__name__}: {exc}")
    _answer_and_leave(name)


def _answer_and_leave(name: str) -> "NoReturn":
    """Try what starts the program, all but its own code, and the plugin."""
    told = []  # type: list[str]
    sys.stderr = _Listener(told)  # where the hook says what failed
    try:
        __import__(name)
        _switch_on()
        import asyncio  # noqa: F401

        import tribler_udp_fix

        installed = tribler_udp_fix.status().installed
        _answer(WORKS if installed else "".join(told) or "the plugin did not install")
    except BaseException as exc:  # SystemExit, too, is an answer here
        _answer(f"{type(exc).__name__}: {exc}")


class _Listener:
    def __init__(self, told: "list[str]") -> None:
        self.write = told.append

    def flush(self) -> None:
        pass


def _answer(answer: str) -> "NoReturn":
    with open(os.environ[PROBE], "w", encoding="utf-8") as file:
        file.write(answer)
    os._exit(0)  # whatever the launcher does at its end, no window is to be shown


def _show(message: str) -> None:
    """In a window: pythonw.exe has no other way to tell."""
    if sys.platform == "win32":
        import ctypes

        mb_iconwarning = 0x30
        ctypes.windll.user32.MessageBoxW(None, message, "Tribler", mb_iconwarning)


def _start_anew(
    installation: str, watched: "Watched", changed: str, renewing: "Renewing"
) -> "NoReturn":
    launcher = os.path.join(installation, watched[0][0])
    if not os.path.isfile(launcher):
        raise SystemExit(
            f"There is no Tribler in {installation} any more. Install it again, and this starts "
            "it; or remove Tribler UDP fix as it was installed, in Windows' settings or by "
            '"tribler uninstall"'
        )
    why = _renew(renewing["python"])
    if not why:
        os._exit(0)  # it runs already, by the renewed side-car
    _spawn(os.P_NOWAIT, [launcher, *sys.argv[1:]])
    # The launcher shows this to the user, in a window where it has no console.
    raise SystemExit(
        f"Tribler was updated ({changed}), and has been started without tribler_udp_fix, which "
        f"could not be renewed: {why}. To have it again: {renewing['advice']}"
    )


def _renew(python: str) -> str:
    """Have the side-car made anew and started, with this program's arguments; why not, or ""."""
    if not os.path.isfile(python):
        return f"{python} is not there any more"
    folder = os.path.dirname(_site())
    told = os.path.join(folder, "renewing.txt")
    here = os.getcwd()
    try:
        os.chdir(folder)  # the first place in which -m looks for modules
        words = [python, "-m", "tribler_udp_fix.cli.renew", told, *sys.argv[1:]]
        status = _spawn(os.P_WAIT, words)
    except OSError as exc:
        return f"{python}: {exc.strerror}"
    finally:
        os.chdir(here)
    if not status:
        return ""
    try:
        with open(told, encoding="utf-8") as file:
            why = file.read()
        os.remove(told)
    except OSError:
        why = f"{python} ended with exit status {status}"
    return why.rstrip(".")


def _spawn(mode: int, words: "list[str]") -> int:
    if sys.platform != "win32":
        return -1
    # Windows has one string for all arguments, which spawnv() joins as they are.
    return os.spawnv(mode, words[0], [_quoted(word) for word in words])


def _quoted(word: str) -> str:
    """One argument, as a program takes the string of them apart: a backslash before a quote is two.

    subprocess has this too, but there is no such module here.
    """
    parts = [part + "\\" * (len(part) - len(part.rstrip("\\"))) for part in word.split('"')]
    return '"{}"'.format('\\"'.join(parts))
