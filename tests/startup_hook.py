"""Child interpreters that run the line of tribler_udp_fix.pth."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOOK = (ROOT / "tribler_udp_fix.pth").read_text("ascii")

# The variable is set in the child, not for it: an installed .pth must not run before ours.
PRELUDE = f"""\
import os, sys
def hook(value=None):
    if value is not None:
        os.environ["TRIBLER_UDP_FIX"] = value
    exec({HOOK!r}, {{}})
def ours():
    return sorted(n for n in sys.modules if n.partition(".")[0] in ("tribler_udp_fix", "wrapt"))
def waiting():
    return sum(bool(getattr(finder, "waits_for", "")) for finder in sys.meta_path)
def gates():
    from tribler_udp_fix._imports import is_gate
    homes = [sys.modules.get("asyncio.base_events"), sys.modules.get("asyncio.events")]
    classes = [value for home in homes if home for value in vars(home).values()
               if isinstance(value, type)]
    return sum(is_gate(value) for cls in {{*classes}} for value in vars(cls).values())
def installed():
    import tribler_udp_fix
    return tribler_udp_fix.status().installed
"""


def run(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the prelude and *code* in a new interpreter, the variable unset."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TRIBLER_UDP_FIX")}
    environ["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, *options, "-c", PRELUDE + code],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def output(code: str, *options: str) -> str:
    """Return what *code* prints, having asserted that nothing went wrong."""
    result = run(code, *options)
    assert result.stderr == ""
    assert result.returncode == 0
    return result.stdout
