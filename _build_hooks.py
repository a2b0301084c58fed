"""The build step that puts ``tribler_udp_fix.pth`` into an editable install.

A wheel and an sdist take the file from ``package_data`` in setup.cfg. An editable install copies
no package data, so this ``build_py`` lays the file beside the editable install's own ``.pth``;
being part of that wheel, pip records it and removes it again.
"""

from __future__ import annotations

import os

from setuptools.command.build_py import build_py

STARTUP_HOOK = "tribler_udp_fix.pth"


class BuildPy(build_py):
    """``build_py`` that also installs the startup hook when the install is editable."""

    def run(self) -> None:
        """Build as usual; in editable mode copy the hook to the root of site-packages."""
        super().run()
        if self.editable_mode:
            site_packages = self.get_finalized_command("install").install_lib
            self.copy_file(STARTUP_HOOK, os.path.join(site_packages, STARTUP_HOOK))
