"""Builds the installer for Windows, the same bytes from the same sources.

It carries python.org's embeddable Python of the lab, the project's wheel and wrapt's, all believed
only with a pinned SHA-256, but for the project's own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import tribler_udp_fix

from .. import downloads, lock, packages, places, tools, venv, wheels
from ..command import run
from ..errors import LabError
from ..pythons import find

PYTHON = find("3.12")  # which Tribler 8 is frozen with: it can start Tribler where need be
SCRIPT = Path(__file__).with_name("setup.nsi")
FOLDER = places.LAB / "setup"
SITE_PACKAGES = Path("Lib", "site-packages")
NAME = f"tribler_udp_fix-{tribler_udp_fix.__version__}-setup.exe"
TOOLS = {"makensis": "nsis"}

# In place of the embeddable's own: no variable, registry key or site-packages elsewhere counts.
_PTH = f"python{PYTHON.tag[2:]}.zip\r\n.\r\nLib\\site-packages\r\n"


def lay_tools() -> None:
    """Lay what builds it. Raises LabError."""
    tools.require_linux()
    if tools.missing(TOOLS) or not venv.ready():
        with lock.held(places.LAB / "lock"):
            if tools.missing(TOOLS):
                tools.require_root()
                tools.lay(TOOLS)
            if not venv.ready():
                venv.lay()


def build(out: Path, wheel: Path | None = None) -> Path:
    """Give back the installer, made in the folder *out*, of the checkout or of this *wheel*."""
    tools.require_linux()
    if wheel is not None:  # before anything is laid, this and the next
        _require_wheel(wheel)
    for folder in (out, FOLDER):
        _require_writable(folder)
    lay_tools()
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        payload, made = Path(name, "Python"), Path(name, NAME)
        _lay_payload(payload, wheel or _own_wheel())
        _require_version(payload, wheel)
        files = Path(name, "files.nsh")
        files.write_text(_files(payload), encoding="utf-8-sig")
        defines = {"VERSION": tribler_udp_fix.__version__, "OUT": made, "FILES": files}
        words = [f"-D{key}={value}" for key, value in defines.items()]
        env = {**os.environ, "SOURCE_DATE_EPOCH": "0"}
        run("makensis", ["makensis", "-V2", "-WX", *words, SCRIPT], env=env)
        return Path(shutil.move(made, out / NAME))


def _require_wheel(wheel: Path) -> None:
    if not wheel.is_file():
        raise LabError(f"there is no file {wheel}")
    if not zipfile.is_zipfile(wheel):
        raise LabError(f"{wheel} is no wheel")


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise LabError(f"{folder} is no folder to write to: {error.strerror}") from None


def sha256(path: Path) -> str:
    """What is published with it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _own_wheel() -> Path:
    source = packages.source_hash()
    if not packages.wheel_ready(source):
        with lock.held(places.LAB / "lock"):
            if not packages.wheel_ready(source):
                packages.build_wheel(source)
    return next((places.WHEELS / source).glob("*.whl"))


def _lay_payload(folder: Path, wheel: Path) -> None:
    downloads.unpack(PYTHON, downloads.fetch(PYTHON), folder)
    (folder / f"python{PYTHON.tag[2:]}._pth").write_text(_PTH, newline="")
    requirement, digest = _wrapt()
    unpacked = FOLDER / f"{requirement.replace('==', '-')}-{digest[:16]}"
    options = tuple(word for word in packages.machine(PYTHON) if word not in _UNPACKED_HAS)
    wrapt = wheels.unpacked(requirement, digest, unpacked, *options)
    shutil.copytree(wrapt, folder / SITE_PACKAGES, dirs_exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / SITE_PACKAGES)
    # Nothing reads it here: the side-car switches the plugin on itself.
    (folder / SITE_PACKAGES / "tribler_udp_fix.pth").unlink(missing_ok=True)


_UNPACKED_HAS = ("--only-binary=:all:", "--no-deps")


def _wrapt() -> tuple[str, str]:
    for line in PYTHON.packages.read_text(encoding="utf-8").splitlines():
        requirement, _, digest = line.partition(" --hash=sha256:")
        if requirement.startswith("wrapt=="):
            return requirement, digest
    raise LabError(f"{PYTHON.packages} does not name wrapt")


def _require_version(payload: Path, wheel: Path | None) -> None:
    info = f"tribler_udp_fix-{tribler_udp_fix.__version__}.dist-info"
    if not (payload / SITE_PACKAGES / info).is_dir():
        raise LabError(f"{wheel} is not tribler_udp_fix {tribler_udp_fix.__version__}")


def _files(payload: Path) -> str:
    """The instructions that unpack the payload, in an order of their own."""
    lines = []
    folder = None
    for path in sorted(path for path in payload.rglob("*") if path.is_file()):
        parent = path.parent.relative_to(payload)
        if parent != folder:
            inside = "" if parent == Path() else "\\" + str(parent).replace("/", "\\")
            lines.append(f'SetOutPath "$PLUGINSDIR\\Python{inside}"')
            folder = parent
        lines.append(f'File "/oname={path.name}" "{path}"')
    return "\n".join(lines) + "\n"
