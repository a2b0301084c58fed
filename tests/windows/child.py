"""Child Pythons of a test: without the plugin, or opted in by the variable alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import IO, Any


def python(*args: str, plugin: bool, cwd: Any = None, timeout: float = 300.0, **env: str) -> str:
    """What ``python *args`` prints on stdout; fails, showing stderr, when it exits with an error.

    *plugin* is the variable TRIBLER_UDP_FIX and nothing else: the hook that pip installed into
    this very Python does the rest.
    """
    environ = {key: value for key, value in os.environ.items() if "TRIBLER_UDP_FIX" not in key}
    environ.update(env)
    if plugin:
        environ["TRIBLER_UDP_FIX"] = "1"
    # Files, and not pipes: the first window of a session, be it an invisible one of Qt's, starts
    # Wine's desktop, which inherits the pipes and never closes them.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run(
            [sys.executable, *args],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=cwd,
            env=environ,
            timeout=timeout,
            check=False,
        )
        printed, complaints = (_content(each) for each in (out, err))
    assert done.returncode == 0, f"exit status {done.returncode}\n{complaints[-20_000:]}"
    return printed


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
