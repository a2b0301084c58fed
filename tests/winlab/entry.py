"""How each program of the lab starts and ends: a failure is one line, and exit status 2."""

from __future__ import annotations

import argparse
import errno
import sys
from typing import Callable, Sequence

from .errors import LabError

_REFUSED = "this user may not do that, or it was made by root"
_ADVICE: dict[int | None, str] = {
    errno.ENOSPC: "make room",
    errno.EACCES: _REFUSED,
    errno.EPERM: _REFUSED,
    errno.EROFS: "nothing can be written there",
}


def described(module: str, text: str | None) -> argparse.ArgumentParser:
    """Begin the command line of a module, whose docstring is its help."""
    return argparse.ArgumentParser(
        prog=f"python3 -m {module}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def start(main: Callable[[Sequence[str]], int]) -> int:
    """Run a program with this process's arguments; what comes back is the exit status."""
    try:
        return main(sys.argv[1:])
    except LabError as error:
        print(f"winlab: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in _ADVICE:
            raise
        print(f"winlab: {_ADVICE[error.errno]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("winlab: interrupted", file=sys.stderr)
        return 130
