"""A shortcut, a .lnk file, written as [MS-SHLLINK] describes it: so on any platform, without COM.

https://learn.microsoft.com/openspecs/windows_protocols/ms-shllink (revision 8.0). What the shell
needs of it is the list of item identifiers, which names the target step by step from the desktop.
The LinkInfo, a second way to the target, is left out: it is optional, and some readers know only
its form in a code page, which cannot hold every path.
"""

from __future__ import annotations

import struct
from pathlib import PureWindowsPath
from typing import NamedTuple
from uuid import UUID

_SHELL_LINK = UUID("00021401-0000-0000-c000-000000000046").bytes_le
_THIS_PC = UUID("20d04fe0-3aea-1069-a2d8-08002b30309d").bytes_le

# LinkFlags (2.1.1)
_HAS_ITEMS, _HAS_NAME = 0x01, 0x04
_HAS_FOLDER, _HAS_ARGUMENTS, _HAS_ICON, _UNICODE = 0x10, 0x20, 0x40, 0x80
_FILE_ATTRIBUTE_ARCHIVE = 0x20
_FILE_ATTRIBUTE_DIRECTORY = 0x10
_SHOW_NORMAL = 1


class Shortcut(NamedTuple):
    """What a shortcut starts: absolute Windows paths, and one string of arguments."""

    target: str
    folder: str  # the working folder
    icon: str
    comment: str
    arguments: str = ""

    def as_bytes(self) -> bytes:
        """The whole .lnk file. Raises ValueError for a target that is not on a drive."""
        target = PureWindowsPath(self.target)
        if len(target.drive) != 2 or not target.root:
            raise ValueError(f"{self.target!r} is not an absolute path on a drive")
        flags = _HAS_ITEMS | _HAS_NAME | _HAS_FOLDER | _HAS_ICON | _UNICODE
        if self.arguments:
            flags |= _HAS_ARGUMENTS
        texts = [self.comment, self.folder, *filter(None, [self.arguments]), self.icon]
        return b"".join([_header(flags), _items(target), *map(_text, texts), bytes(4)])


def _header(flags: int) -> bytes:
    times = bytes(24)  # created, accessed, written: not known, the shell looks at the target
    size, icon_index, hot_key = 0, 0, 0
    return (
        struct.pack("<I16sII", 0x4C, _SHELL_LINK, flags, _FILE_ATTRIBUTE_ARCHIVE)
        + times
        + struct.pack("<IiIHHII", size, icon_index, _SHOW_NORMAL, hot_key, 0, 0, 0)
    )


def _items(target: PureWindowsPath) -> bytes:
    """The LinkTargetIDList (2.2): this PC, the drive, each folder, the file."""
    items = [b"\x1f\x50" + _THIS_PC, b"/" + _ansi(target.drive + "\\").ljust(22, b"\0")]
    *folders, file = target.parts[1:]
    items += [_item(0x31, _FILE_ATTRIBUTE_DIRECTORY, folder) for folder in folders]
    items.append(_item(0x32, _FILE_ATTRIBUTE_ARCHIVE, file))
    whole = b"".join(struct.pack("<H", len(item) + 2) + item for item in items) + b"\0\0"
    return struct.pack("<H", len(whole)) + whole


def _item(kind: int, attributes: int, name: str) -> bytes:
    """A file system item: a short name, then the block 0xBEEF0004 with the name in Unicode.

    The specification leaves items to the shell; this is the form since Windows XP
    (https://github.com/libyal/libfwsi, "Windows Shell Item format").
    """
    short = _even(_ansi(name) + b"\0")
    head = struct.pack("<BBIIH", kind, 0, 0, 0, attributes) + short
    wide = name.encode("utf-16-le") + b"\0\0"
    # version 3: size, version, signature, two times, the offset of the name, its localised one
    size = 2 + 2 + 4 + 4 + 4 + 2 + 2 + len(wide) + 2
    block = struct.pack("<HHIIIHH", size, 3, 0xBEEF0004, 0, 0, 0x14, 0) + wide
    return head + block + struct.pack("<H", 2 + len(head))


def _text(text: str) -> bytes:
    """One of the StringData (2.4): the number of UTF-16 units, and they themselves."""
    units = text.encode("utf-16-le")
    return struct.pack("<H", len(units) // 2) + units


def _ansi(text: str) -> bytes:
    # Which code page a reader has is not known; each of these has its Unicode form beside it.
    return text.encode("ascii", "replace")


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)
