"""Other programs that the lab calls, with a time-out and an error of one line."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Mapping, Sequence

from .errors import LabError

NO_NETWORK = (
    r"Temporary failure in name resolution|Name or service not known|Could not resolve|"
    r"Failed to establish a new connection|Network is unreachable|Connection refused|"
    r"Could not connect|Cannot connect to proxy|Connection timed out|Read timed out"
)
# What a program says when it fails, and what its user can do about it; the first that fits.
ADVICE = (
    (r"No space left on device|not have enough free space", "make room on that disk"),
    (
        r"CERTIFICATE_VERIFY_FAILED|Could not fetch URL.*certificate",
        "install ca-certificates, or tell pip of the certificate to trust (PIP_CERT)",
    ),
    (
        NO_NETWORK,
        "look after the network connection, and the index, mirror and proxy that are set up",
    ),
    (r"Could not get lock|Unable to acquire the dpkg", "wait until the other apt-get is done"),
    (r"Unable to locate package|no installation candidate", "use Debian 12, with its `main`"),
    (
        r"Operation not permitted",
        "let root do it, and in a container one that was started with --privileged",
    ),
)
# With these, in either case, a user or an administrator sets a proxy up.
PROXIES = ("https_proxy", "http_proxy", "all_proxy", "pip_proxy")
# The lines that tell a failure, the best first; and those that never do.
MARKS = ("error:", "ERROR:", "Error:", "E:", "fatal:")
NOISE = re.compile(
    r"Ignored the following|^Failing command|^Traceback|^\[?notice|^(note|hint|WARNING):|"
    r"^╰─>|^More info|^See above|^W: Some index files|^E: Sub-process .* returned an error code"
)


def run(
    what: str,
    command: Sequence[str | Path],
    *,
    timeout: float = 600,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command and give its output back; LabError says what failed, what to do, and its words.

    `timeout` is in seconds.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=env,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise LabError(f"{what} failed: there is no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{what} failed: not done after {timeout:.0f} s") from None
    if done.returncode:
        why = failure(done.stdout, done.stderr, done.returncode, os.environ if env is None else env)
        raise LabError(f"{what} failed: {why}")
    return done.stdout


def failure(out: str, err: str, status: int, environ: Mapping[str, str]) -> str:
    """What a program died of, in one line: what to do where that is known, and its own words."""
    lines = [line.strip() for line in (out + "\n" + err).splitlines() if line.strip()]
    for words, advice in ADVICE:
        for line in lines:
            if re.search(words, line):
                told = advice + (_proxies(environ) if words == NO_NETWORK else "")
                return f"{told} ({_quotable(line, lines)})"
    return _last_words(err) or _last_words(out) or f"exit status {status}"


def _proxies(environ: Mapping[str, str]) -> str:
    """Which variables set a proxy up. Not what is in them, which may be a password."""
    names = [name for name in environ if name.lower() in PROXIES and environ[name]]
    verb = "is" if len(names) == 1 else "are"
    return f"; {' and '.join(sorted(names))} {verb} set" if names else ""


def _quotable(line: str, lines: Sequence[str]) -> str:
    """The *line* itself, or where it is one of pip's warnings, an object's address in it, its end.

    pip warns of each try, and says last what became of them all.
    """
    errors = [each for each in lines if each.startswith("ERROR:")]
    if errors:
        return errors[-1]
    return lines[-1] if line.startswith("WARNING:") else line


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if not NOISE.search(line)]
    for mark in MARKS:
        for line in lines:
            if mark in line:
                return line
    return lines[-1] if lines else ""
