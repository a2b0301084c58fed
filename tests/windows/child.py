"""Child Pythons of a test: without the plugin, or opted in by the variable alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any


def python(*args: str, plugin: bool, cwd: Any = None, timeout: float = 300.0, **env: str) -> str:
    """What ``python *args`` prints on stdout; fails, showing stderr, when it exits with an error.

    *plugin* is the variable TRIBLER_UDP_FIX and nothing else: the hook that pip installed into
    this very Python does the rest.
    """
    environ = {key: value for key, value in os.environ.items() if "TRIBLER_UDP_FIX" not in key}
    environ.update(env)
    if plugin:
        environ["TRIBLER_UDP_FIX"] = "1"
    done = subprocess.run(
        [sys.executable, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=cwd,
        env=environ,
        timeout=timeout,
        check=False,
    )
    stderr = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"exit status {done.returncode}\n{stderr[-20_000:]}"
    return done.stdout.decode()
