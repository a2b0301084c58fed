"""Runs in a Windows Python: freezes an app with the cx_Freeze that is in a folder.

Arguments: that folder, the app's script, the kind of launcher, the folder to make.
"""

import sys

site, script, base, target = sys.argv[1:]
sys.path.insert(0, site)
sys.argv[1:] = ["build_exe"]

from cx_Freeze import Executable, setup  # type: ignore[import-not-found] # noqa: E402

setup(
    name="Tribler",
    version="8.4.3",
    # As Tribler's build/win/build.py has it; the packages are for what the plugin imports.
    options={"build_exe": {"build_exe": target, "packages": ["asyncio", "logging", "platform"]}},
    executables=[Executable(script, target_name="Tribler", base=base)],
)
