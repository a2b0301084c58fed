"""The lab's own virtual environment: its pip, and where `test` and `demo` run."""

from __future__ import annotations

import sys
from pathlib import Path

from . import places
from .command import run
from .errors import LabError

TOOLS = ("setuptools>=64", "wheel")
# On Linux the pytest of the lab's Windows Pythons, for the same test ids; on Windows the one that
# knows this Python. And the IPv8 that the lab's have, where this Python can have it.
PYTEST = "pytest>=8.3" if sys.platform == "win32" else "pytest==8.3.5"
IPV8 = (3, 10) <= sys.version_info < (3, 14)
TEST_TOOLS = (
    PYTEST,
    "hypothesis",
    "build",
    "prometheus_client",
    # mypy for what a developer of communities sees of our types, and of IPv8's.
    *(("mypy==2.*",) if IPV8 else ()),
    # aiohttp_apispec as the lab's Pythons have it: the stable one needs an older marshmallow.
    # cryptography is what IPv8 makes its keys with before 3.2.1; the last with all of its curves.
    *(("pyipv8==3.2.1", "aiohttp_apispec==3.0.0b2", "cryptography==46.0.7") if IPV8 else ()),
)
# For the file axe.min.js in it, axe-core 4.12.1; the Playwright that it is made for stays away.
AXE = "axe-playwright-python==0.1.8"

PYTHON = places.VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


STAMP = places.VENV / "tools.stamp"
PROJECT_STAMP = places.VENV / "project.stamp"


def ready() -> bool:
    """Whether the environment is there, with pip and what builds a wheel."""
    # PYTHON is a link: it does not exist where the Python that it was made from is gone.
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == repr(TOOLS)


def lay() -> None:
    """Make the environment, with pip and what builds a wheel."""
    run("making a virtual environment", [_base(), "-m", "venv", "--clear", places.VENV])
    pip("install", *TOOLS)
    STAMP.write_text(repr(TOOLS))


def project_ready() -> bool:
    """Whether the project is in it, with its metadata of today."""
    return ready() and PROJECT_STAMP.exists() and PROJECT_STAMP.read_text() == _project_recipe()


def lay_project() -> None:
    """Install the project in it, editable, with its dependencies and the tests'."""
    recipe = _project_recipe()
    pip("install", "--no-build-isolation", "--editable", places.ROOT, *TEST_TOOLS)
    if sys.platform != "win32":  # where the page is tested
        pip("install", "--no-deps", AXE)
    PROJECT_STAMP.write_text(recipe)


def _project_recipe() -> str:
    files = ("pyproject.toml", "setup.cfg", "_build_hooks.py", "tribler_udp_fix.pth")
    metadata = (places.ROOT / name for name in files)
    about = f"{places.ROOT} {TEST_TOOLS} {AXE}".encode()
    return places.digest(about, *(path.read_bytes() for path in metadata if path.exists()))


def pip(*arguments: str | Path) -> str:
    """Run the environment's pip, with the index that the machine is set up for."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    return run(f"pip {arguments[0]}", [PYTHON, "-m", "pip", *quiet, *arguments])


def _base() -> str:
    # From within a virtual environment that may go away, its base Python, which stays.
    base = getattr(sys, "_base_executable", None) or sys.executable
    if not base:
        raise LabError("this Python does not know its own executable: call it by its full path")
    return str(base)
