"""``run``: a program with the plugin on, otherwise as Python itself would run it."""

from __future__ import annotations

import argparse
import importlib.machinery
import io
import os
import pkgutil
import runpy
import site
import sys
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any, Callable, NamedTuple, NoReturn, Sequence

from tribler_udp_fix import _startup, _switch
from tribler_udp_fix.cli.arguments import allowed
from tribler_udp_fix.cli.parser import command_parsers

PTH = "tribler_udp_fix.pth"

_NO_PTH = (
    "child Pythons will run without the plugin: they read it from "
    f"{PTH} in site-packages, which `pip install .` in a clone, or of the wheel, lays there"
)


class Request(NamedTuple):
    """What to run: ``program`` is a path, or a module's name."""

    program: str
    is_module: bool
    arguments: list[str]
    quiet: bool


def main(words: Sequence[str], parser: argparse.ArgumentParser) -> int:
    """Run the program that the words after ``run`` name.

    Whatever ends the program ends this too: its exception or SystemExit passes through.
    """
    request = parse(list(words), command_parsers(parser)["run"])
    # For the program's child Pythons, before anything else can fail.
    os.environ[_switch.SWITCH] = "1"
    if not request.quiet and not pth_is_installed():
        _switch.warn(_NO_PTH)
    _startup.main()
    if request.is_module:
        return _run_module(request)
    return _run_script(request)


def parse(words: list[str], parser: argparse.ArgumentParser) -> Request:
    """Split the words into ours and the program's own, which may look like options."""
    quiet = reached = False
    while words and not reached:
        word = words.pop(0)
        if word in ("-h", "--help"):
            parser.print_help()
            sys.exit(0)
        elif word in ("-q", "--quiet"):
            quiet = True
        elif word == "--" or word.startswith("-m") or not word.startswith("-"):
            reached = True
            if word != "--":
                words.insert(0, word)
        else:
            options = ("-q", "--quiet", "-m", "-h", "--help")
            parser.error(f"there is no option {word!r}: {allowed(word, options)}")
    if not words:
        parser.error("name a script, or -m and a module")
    word = words.pop(0)
    if word == "-m":
        if not words:
            parser.error("-m needs the name of a module")
        return Request(words[0], True, words[1:], quiet)
    if word.startswith("-m"):
        return Request(word[2:], True, words, quiet)
    return Request(word, False, words, quiet)


def pth_is_installed() -> bool:
    """Whether a Python that starts here will read the plugin's .pth."""
    folders = list(getattr(site, "getsitepackages", list)())
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return any(os.path.isfile(os.path.join(folder, PTH)) for folder in folders)


def _run_script(request: Request) -> int:
    path = request.program
    sys.argv = [path, *request.arguments]
    # Absolute since 3.9, as Python itself does it.
    name = os.path.abspath(path) if sys.version_info >= (3, 9) else path
    if os.path.isdir(path) or _is_archive(path):
        _set_first_path(name)
        _fresh_main_module()
        return _run_as_main("__main__", alter_argv=False)
    code, loader = _load(path, name)
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    module = _fresh_main_module()
    module.__file__ = name
    module.__loader__ = loader("__main__", name)
    with _OwnFramesHidden():
        exec(code, module.__dict__)
    return 0


def _run_module(request: Request) -> int:
    sys.argv = ["-m", *request.arguments]
    _set_first_path(os.getcwd())
    _fresh_main_module()
    return _run_as_main(request.program, alter_argv=True)


def _run_as_main(name: str, alter_argv: bool) -> int:
    """What ``python -m`` does, by the function it does it with."""
    run_module_as_main: Any = runpy._run_module_as_main  # type: ignore[attr-defined]
    try:
        with _OwnFramesHidden():
            run_module_as_main(name, alter_argv)
    except SystemExit as exc:
        if isinstance(exc.code, str) and _raised_by(exc, run_module_as_main.__code__):
            _fail(exc.code.replace(f"{sys.executable}: ", "", 1))
        raise
    return 0


Loader = Callable[[str, str], Any]


def _load(path: str, name: str) -> tuple[CodeType, Loader]:
    """The script's code, and the class that Python names as its loader."""
    try:
        with io.open_code(os.path.abspath(path)) as file:
            compiled: CodeType | None = pkgutil.read_code(file)
        if compiled is not None:  # a .pyc
            return compiled, importlib.machinery.SourcelessFileLoader
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except OSError as exc:
        _fail(f"can't open file {path!r}: [Errno {exc.errno}] {exc.strerror}")
    with _OwnFramesHidden():
        code = compile(source, name, "exec", dont_inherit=True)
        return code, importlib.machinery.SourceFileLoader


def _fail(message: str) -> NoReturn:
    print(f"tribler-udp-fix run: {message}", file=sys.stderr)
    sys.exit(2)


def _is_archive(path: str) -> bool:
    return os.path.isfile(path) and pkgutil.get_importer(path) is not None


def _set_first_path(folder: str) -> None:
    """Python puts the program's folder first, and not at all when it was told to be safe."""
    if sys.flags.isolated or getattr(sys.flags, "safe_path", False):
        return
    sys.path[0] = folder


_former_main: list[ModuleType] = []


def _fresh_main_module() -> ModuleType:
    _former_main.append(sys.modules["__main__"])  # its globals are cleared when it goes
    module = ModuleType("__main__")
    module.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = module
    return module


def _raised_by(exc: BaseException, code: CodeType) -> bool:
    traceback = exc.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code is code


class _OwnFramesHidden:
    """Lets the program's exception pass, and the traceback begin with the program's own frames.

    The interpreter prints it and sets the exit status as for any program, an interrupt's too.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None or isinstance(exc, SystemExit) or traceback is None:
            return
        own_frame: FrameType = traceback.tb_frame
        program_hook = sys.excepthook

        def excepthook(
            kind: type[BaseException], value: BaseException, trace: TracebackType | None
        ) -> None:
            sys.excepthook = program_hook
            theirs = trace
            while theirs is not None and theirs.tb_frame is not own_frame:
                theirs = theirs.tb_next
            theirs = theirs.tb_next if theirs is not None else trace
            program_hook(kind, value.with_traceback(theirs), theirs)

        sys.excepthook = excepthook
