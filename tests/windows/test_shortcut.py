"""The shell reads in a shortcut what was written into it."""

from __future__ import annotations

import pytest
import shell_link

from tribler_udp_fix.cli.shortcut import Shortcut


@pytest.mark.parametrize("folder", ["plain", "with a space", "Jürgen 雪"])
def test_the_shell_finds_the_target_and_all_that_goes_with_it(folder, tmp_path):
    target = tmp_path / folder / "Tribler.exe"
    target.parent.mkdir()
    target.write_bytes(b"")
    written = Shortcut(
        target=str(target),
        folder=str(target.parent),
        icon=str(target),
        comment="Tribler, with tribler_udp_fix",
        arguments='-I -S "start it.pyw"',
    )
    file = tmp_path / folder / "Tribler.lnk"
    file.write_bytes(written.as_bytes())
    assert shell_link.read(str(file)) == written._asdict()
