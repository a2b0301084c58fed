"""What the shell itself reads in a shortcut, through COM: IShellLinkW and IPersistFile."""

from __future__ import annotations

import ctypes
from typing import Any
from uuid import UUID

CLSID_SHELL_LINK = UUID("00021401-0000-0000-c000-000000000046")
IID_SHELL_LINK_W = UUID("000214f9-0000-0000-c000-000000000046")
IID_PERSIST_FILE = UUID("0000010b-0000-0000-c000-000000000046")
CLSCTX_INPROC_SERVER = 1
LENGTH = 1024


def method(this: Any, index: int, *types: Any) -> Any:
    """A method of a COM object, by its place in the table."""
    table = ctypes.cast(this, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
    prototype = ctypes.WINFUNCTYPE(ctypes.HRESULT, ctypes.c_void_p, *types)  # type: ignore[attr-defined,unused-ignore]
    return lambda *arguments: prototype(table[index])(this, *arguments)


def read(path: str) -> dict[str, str]:
    """Target, arguments, working folder, comment and icon of the shortcut in a file."""
    ole32 = ctypes.OleDLL("ole32")  # type: ignore[attr-defined,unused-ignore]
    ole32.CoInitialize(None)
    link, file = ctypes.c_void_p(), ctypes.c_void_p()
    ole32.CoCreateInstance(
        CLSID_SHELL_LINK.bytes_le,
        None,
        CLSCTX_INPROC_SERVER,
        IID_SHELL_LINK_W.bytes_le,
        ctypes.byref(link),
    )
    query = method(link, 0, ctypes.c_char_p, ctypes.c_void_p)
    query(IID_PERSIST_FILE.bytes_le, ctypes.byref(file))
    method(file, 5, ctypes.c_wchar_p, ctypes.c_uint)(path, 0)  # Load
    buffer = ctypes.create_unicode_buffer(LENGTH)
    size, pointer = ctypes.c_int, ctypes.c_void_p
    items = ctypes.c_void_p()
    method(link, 4, pointer)(ctypes.byref(items))  # GetIDList: what the shell starts
    shell32 = ctypes.WinDLL("shell32")  # type: ignore[attr-defined,unused-ignore]
    assert shell32.SHGetPathFromIDListW(items, buffer)
    found = {"target": buffer.value}
    for name, index in (("comment", 6), ("folder", 8), ("arguments", 10)):
        method(link, index, ctypes.c_wchar_p, size)(buffer, LENGTH)
        found[name] = buffer.value
    icon = ctypes.c_int()
    method(link, 16, ctypes.c_wchar_p, size, pointer)(buffer, LENGTH, ctypes.byref(icon))
    found["icon"] = buffer.value
    return found
