"""The bytes of a shortcut, read back as [MS-SHLLINK] says; tests/windows asks the shell itself."""

from __future__ import annotations

import struct

import pytest

from tribler_udp_fix.cli.shortcut import Shortcut

TARGET = "C:\\Program Files\\Jürgen 雪\\Tribler.exe"


def make(target: str = TARGET, arguments: str = "") -> bytes:
    return Shortcut(target, "D:\\ü", "C:\\icon.exe", "Tribler, with it", arguments).as_bytes()


def items(data: bytes) -> list[bytes]:
    """The item identifiers, each without its size."""
    (whole,) = struct.unpack_from("<H", data, 0x4C)
    place, found = 0x4E, []
    while size := struct.unpack_from("<H", data, place)[0]:
        found.append(data[place + 2 : place + size])
        place += size
    assert place + 2 == 0x4E + whole
    return found


def texts(data: bytes) -> list[str]:
    """The StringData, which follows the items."""
    place = 0x4E + struct.unpack_from("<H", data, 0x4C)[0]
    found = []
    while place < len(data) - 4:
        (count,) = struct.unpack_from("<H", data, place)
        found.append(data[place + 2 : place + 2 + 2 * count].decode("utf-16-le"))
        place += 2 + 2 * count
    assert data[place:] == bytes(4)  # the TerminalBlock
    return found


def test_the_header_is_that_of_a_shell_link_in_unicode() -> None:
    size, kind, flags = struct.unpack_from("<I16sI", make())
    assert (size, kind.hex()) == (0x4C, "0114020000000000c000000000000046")
    assert flags == 0x01 | 0x04 | 0x10 | 0x40 | 0x80
    assert struct.unpack_from("<I16sI", make(arguments="x"))[2] == flags | 0x20


def test_the_items_lead_from_this_pc_over_the_drive_to_the_file() -> None:
    pc, drive, *files = items(make())
    assert pc.hex() == "1f50e04fd020ea3a6910a2d808002b30309d"
    assert (len(drive), drive.rstrip(b"\0")) == (23, b"/C:\\")
    assert [file[0] for file in files] == [0x31, 0x31, 0x32]
    names = []
    for file in files:
        (place,) = struct.unpack_from("<H", file, len(file) - 2)
        place -= 2  # counted from the item's size on
        size, version, signature = struct.unpack_from("<HHI", file, place)
        assert (place % 2, size, version, signature) == (0, len(file) - place, 3, 0xBEEF0004)
        names.append(file[place + 0x14 : -2].decode("utf-16-le"))
    assert names == ["Program Files\0", "Jürgen 雪\0", "Tribler.exe\0"]


def test_the_texts_are_in_the_order_that_the_flags_give() -> None:
    assert texts(make()) == ["Tribler, with it", "D:\\ü", "C:\\icon.exe"]
    assert texts(make(arguments='"a b"')) == ["Tribler, with it", "D:\\ü", '"a b"', "C:\\icon.exe"]


@pytest.mark.parametrize("target", ["Tribler.exe", "C:Tribler.exe", "\\\\server\\share\\x.exe"])
def test_a_target_that_is_not_on_a_drive_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="not an absolute path on a drive"):
        make(target)
