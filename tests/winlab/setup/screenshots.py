"""Takes the docs' picture of the installer, in an X server of its own.

.winlab/venv/bin/python -m tests.winlab.setup.screenshots
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.winlab import frozen, lay, places, process, tools
from tests.winlab.setup import build
from tests.winlab.tools import WINE

TOOLS = {"Xvfb": "xvfb", "xdotool": "xdotool", "import": "imagemagick", "pngquant": "pngquant"}
DISPLAY = ":97"
PICTURE = places.ROOT / "docs" / "setup.png"
PAGES = 3  # welcome, folder, the end
PROGRAM = places.TEMPLATE / "drive_c" / "Program Files" / "Tribler"


def main() -> None:
    if tools.missing(TOOLS):
        tools.lay(TOOLS)
    with tempfile.TemporaryDirectory(dir=places.LAB) as name:
        folder = Path(name)
        setup = build.build(folder)
        server = subprocess.Popen(["Xvfb", DISPLAY, "-screen", "0", "640x520x24"])
        try:
            time.sleep(2)
            shutil.copytree(frozen.frozen(frozen.BUILDS[0]), PROGRAM)
            _take(setup, folder)
        finally:
            shutil.rmtree(PROGRAM, ignore_errors=True)
            server.terminate()
            server.wait()


def _take(setup: Path, folder: Path) -> None:
    prefix = lay.lay([build.PYTHON])
    env = {**process.environment(os.environ), **prefix.environment, "DISPLAY": DISPLAY}
    for variable in ("LOCALAPPDATA", "APPDATA"):
        (folder / variable).mkdir()
    # A Windows program hands these on; Wine itself would name the folders anew.
    code = (
        "import os, subprocess, sys; "
        f"os.environ['LOCALAPPDATA'] = {places.windows_path(folder / 'LOCALAPPDATA')!r}; "
        f"os.environ['APPDATA'] = {places.windows_path(folder / 'APPDATA')!r}; "
        "subprocess.run(['explorer', '/desktop=setup,640x520', *sys.argv[1:]])"
    )
    words = ["-c", code, places.windows_path(setup)]
    command = [str(WINE), str(build.PYTHON.executable), *words]
    installer = subprocess.Popen(
        prefix.namespace.command(*command),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    x = {**os.environ, "DISPLAY": DISPLAY}
    shots = []
    try:
        for page in range(PAGES):
            time.sleep(12)
            shot = folder / f"{page}.png"
            subprocess.run(["import", "-window", "root", shot], env=x, check=True)
            shots.append(shot)
            if page < PAGES - 1:
                subprocess.run(["xdotool", "key", "Return"], env=x, check=True)
    finally:
        installer.kill()
        installer.wait()
    trim = ("-fuzz", "2%", "-trim", "+repage")  # what is not the window
    together = folder / "together.png"
    subprocess.run(["convert", shots[1], shots[-1], *trim, "+append", together], check=True)
    done = subprocess.run(
        ["pngquant", "--strip", "-"],
        input=together.read_bytes(),
        stdout=subprocess.PIPE,
        check=True,
    )
    PICTURE.write_bytes(done.stdout)
    print(f"{PICTURE}: {len(done.stdout):,} bytes")


if __name__ == "__main__":
    main()
