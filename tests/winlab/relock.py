"""Renew packages-*.txt, what each Windows Python has besides the project.

uv finds versions that fit together on Windows; pip cannot, as it takes the markers of the Python
that it runs on. pip then says which one file of each it would install, and its SHA-256.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Sequence

from . import entry, venv
from .command import run
from .packages import LOCKED, machine
from .pythons import PYTHONS, WindowsPython

# pytest: the last for Python 3.8, and the same everywhere, for the same test ids.
# aiohttp: requests of 3.14 ask more of a protocol than the mock in pyipv8 3.2.1's own tests has.
WANTED = (
    "aiohttp<3.14",
    "aiohttp_apispec==3.0.0b2",
    "prometheus_client",
    "pytest==8.3.5",
    "rich",
    "wrapt",
)
# Hosts of an event loop that do with it what asyncio's own does not, and programs of others whose
# UDP the plugin must carry (test_hosts_of_the_loop.py, test_programs.py): one Python shows it.
# program_tests.py pins the sdists of the same versions.
OTHERS = {
    "3.12": (
        *("nest_asyncio", "PyQt5", "PySocks", "qasync==0.28.0"),
        *("aiocoap", "aioquic", "kademlia"),
    )
}
HEAD = "# What Windows Python {} has besides the project, from python3 -m tests.winlab.relock\n"


def lock(python: WindowsPython, scratch: Path) -> str:
    """Give back a new lock file for a Python: each package with the SHA-256 of its one file."""
    wanted, compiled, report = (scratch / name for name in ("wanted.in", "all.txt", "report.json"))
    pyipv8 = f"pyipv8=={python.ipv8.partition(',')[0]}"
    wanted.write_text("\n".join((*WANTED, *OTHERS.get(python.minor, ()), pyipv8)))
    options = ("--quiet", "--generate-hashes", "--prerelease=allow", "--output-file", compiled)
    target = ("--python-platform", "x86_64-pc-windows-msvc", "--python-version", python.version)
    run("uv", [venv.PYTHON, "-m", "uv", "pip", "compile", *options, *target, wanted])
    dry = ("--dry-run", "--report", report, "--target", scratch / "target")
    venv.pip("install", *dry, *machine(python), *LOCKED, "--requirement", compiled)
    lines = []
    for package in json.loads(report.read_text())["install"]:
        name = package["metadata"]["name"].lower().replace("_", "-")
        sha256 = package["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{name}=={package['metadata']['version']} --hash=sha256:{sha256}\n")
    return HEAD.format(python.minor) + "".join(sorted(lines))


def main(arguments: Sequence[str]) -> int:
    """Renew the lock files; the exit status is 0."""
    entry.described("tests.winlab.relock", __doc__).parse_args(arguments)
    if not venv.ready():
        venv.lay()
    venv.pip("install", "uv")
    for python in PYTHONS:
        with tempfile.TemporaryDirectory() as scratch:
            python.packages.write_text(lock(python, Path(scratch)))
        print(python.packages.name)
    return 0


if __name__ == "__main__":
    sys.exit(entry.start(main))
