"""The build steps: one for the startup hook, one for the page that an index shows of the package.

A wheel and an sdist take ``tribler_udp_fix.pth`` from ``package_data`` in setup.cfg. An editable
install copies no package data, so ``BuildPy`` lays the file beside the editable install's own
``.pth``; being part of that wheel, pip records it and removes it again.

README.md's links lead to files beside it, which a page elsewhere has not. Where the build is told
the project's address (PROJECT_URL, and PROJECT_REF for the tag), as the release workflow does, they
become links to there; else their files are named, which the sdist holds.
"""

from __future__ import annotations

import os
import re

from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

STARTUP_HOOK = "tribler_udp_fix.pth"

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
BESIDE = "The files that are named here are in the source distribution and in the repository.\n\n"


class BuildPy(build_py):
    """``build_py`` that also installs the startup hook when the install is editable."""

    def run(self) -> None:
        """Build as usual; in editable mode copy the hook to the root of site-packages."""
        super().run()
        if self.editable_mode:
            site_packages = self.get_finalized_command("install").install_lib
            self.copy_file(STARTUP_HOOK, os.path.join(site_packages, STARTUP_HOOK))


class EggInfo(egg_info):
    """``egg_info`` whose long description can be read where README.md's neighbours are not."""

    def run(self) -> None:
        """Write the metadata."""
        metadata = self.distribution.metadata
        url, ref = os.environ.get("PROJECT_URL", ""), os.environ.get("PROJECT_REF", "HEAD")
        metadata.long_description = description(metadata.long_description, url, ref)
        if url:
            metadata.project_urls = {"Source": url, "Issues": f"{url}/issues"}
        super().run()


def description(text: str, url: str, ref: str) -> str:
    """The text with links that lead somewhere, whatever page it is on; already so, it stays.

    *url* is the project's address, empty where it is unknown, and *ref* a tag or branch there.
    """

    def lead(link: re.Match[str]) -> str:
        image, label, target = link["image"], link["text"], link["target"]
        if "://" in target:
            return link[0]
        if url and not target.startswith("#"):
            kind = "raw" if image else "blob"
            return f"{image}[{label}]({url}/{kind}/{ref}/{target})"
        if target.startswith("#") or label == target:
            return label
        return f"*{label}* ({target})" if image else f"{label} ({target})"

    led = LINK.sub(lead, text)
    if url or led == text:
        return led
    title, _, rest = led.partition("\n\n")
    return f"{title}\n\n{BESIDE}{rest}"
