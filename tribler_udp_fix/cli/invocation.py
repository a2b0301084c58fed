"""How this command line was called, so that advice can be typed as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

PROGRAM = "tribler-udp-fix"
MODULE = "tribler_udp_fix"
LAB = ("python" if sys.platform == "win32" else "python3") + " -m tests.winlab"
CLONE = Path(__file__).resolve().parent.parent.parent  # where this is no installed package
WIDTH = 79  # columns that a line of help may have

_in_lab = False


def pass_for_the_lab() -> None:
    """Be called as the lab's command line from now on, whose ``demo`` is this one's."""
    global _in_lab
    _in_lab = True


def program() -> str:
    """What calls this command line again: ``tribler-udp-fix``, or ``py -m tribler_udp_fix``."""
    if _in_lab:
        return LAB
    called = Path(sys.argv[0])
    if (called.parent.name, called.name) != (MODULE, "__main__.py"):
        return PROGRAM
    return f"{_python()} -m {MODULE}"


def speaker() -> str:
    """What the lines on stderr begin with."""
    return f"{LAB} demo" if _in_lab else PROGRAM


def command(words: str) -> str:
    """This command line with other *words*, as it was called."""
    return f"{program()} {words}"


def is_clone() -> bool:
    """Whether this runs from a clone of the project, which has the lab, and is not installed."""
    return (CLONE / "tests" / "winlab" / "__main__.py").is_file()


def pip_install(package: str) -> str:
    """What installs a package for the Python that runs this.

    In a clone that is all that the project needs, and not into Debian's Python, whose pip refuses.
    """
    if is_clone():
        return "`pip install .` in a virtual environment"
    python, module, _ = program().partition(f" -m {MODULE}")
    return f"{python} -m pip install {package}" if module else f"pip install {package}"


def as_called(text: str) -> str:
    """Help with each ``tribler-udp-fix`` in it as it was called.

    What the lines say about their commands moves below these where it has no room beside them.
    """
    lines = text.replace(PROGRAM, program()).split("\n")
    if max(map(len, lines)) > WIDTH:
        lines = [re.sub(r"(?<=\S) {2,}", "\n      ", line, count=1) for line in lines]
    return "\n".join(lines)


def _python() -> str:
    # As it was typed, which Python knows from 3.10 on; py.exe and pyenv give it a path instead.
    typed = (getattr(sys, "orig_argv", None) or [sys.executable])[0]
    name = os.path.basename(typed)
    if name == typed:
        return typed if sys.platform == "win32" else shlex.quote(typed)
    if sys.platform == "win32" and shutil.which("py") and not _is_private():
        return "py"
    found = shutil.which(name)
    if found and os.path.exists(typed) and os.path.samefile(found, typed):
        return name[: -len(".exe")] if name.lower().endswith(".exe") else shlex.quote(name)
    if sys.platform != "win32":
        return shlex.quote(typed)
    return f'"{typed}"' if " " in typed else typed


def _is_private() -> bool:
    """Whether py.exe starts another Python: not the embeddable one, nor one of an environment."""
    if any(Path(sys.executable).parent.glob("python*._pth")):
        return True
    in_environment = sys.prefix != sys.base_prefix
    return in_environment and os.environ.get("VIRTUAL_ENV", "") != sys.prefix
