"""The programs that run on this Windows, by the files that they run from."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator

_SNAPSHOT_OF_PROCESSES = 0x2
_QUERY_LIMITED_INFORMATION = 0x1000
_LONGEST_PATH = 32768  # UTF-16 units


def running(*files: Path) -> Path | None:
    """The first of the files that a program runs from, this process aside; None for none."""
    wanted = {_key(file): file for file in files}
    return next((wanted[key] for key in map(_key, _programs()) if key in wanted), None)


def running_in(folder: Path) -> Path | None:
    """A program that runs from a file in this folder, this process aside; None for none."""
    inside = os.path.join(_key(folder), "")
    return next((path for path in _programs() if _key(path).startswith(inside)), None)


def _key(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def _programs() -> Iterator[Path]:
    """What each other process runs from. One that may not be asked is left out."""
    if sys.platform != "win32":
        return
    import ctypes
    from ctypes import wintypes

    class Entry(ctypes.Structure):
        """PROCESSENTRY32W."""

        _fields_ = (
            ("size", wintypes.DWORD),
            ("usage", wintypes.DWORD),
            ("pid", wintypes.DWORD),
            ("heap", ctypes.c_size_t),
            ("module", wintypes.DWORD),
            ("threads", wintypes.DWORD),
            ("parent", wintypes.DWORD),
            ("priority", wintypes.LONG),
            ("flags", wintypes.DWORD),
            ("file", wintypes.WCHAR * 260),
        )

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    for name in ("CreateToolhelp32Snapshot", "OpenProcess"):
        getattr(kernel, name).restype = wintypes.HANDLE
    kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
    snapshot = wintypes.HANDLE(kernel.CreateToolhelp32Snapshot(_SNAPSHOT_OF_PROCESSES, 0))
    entry = Entry(size=ctypes.sizeof(Entry))
    pids = []
    more = kernel.Process32FirstW(snapshot, ctypes.byref(entry))
    while more:
        pids.append(entry.pid)
        more = kernel.Process32NextW(snapshot, ctypes.byref(entry))
    kernel.CloseHandle(snapshot)
    buffer = ctypes.create_unicode_buffer(_LONGEST_PATH)
    for pid in pids:
        if pid == os.getpid():
            continue
        handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
        if not handle:
            continue
        handle = wintypes.HANDLE(handle)
        length = wintypes.DWORD(_LONGEST_PATH)
        if kernel.QueryFullProcessImageNameW(handle, 0, buffer, ctypes.byref(length)):
            yield Path(buffer.value)
        kernel.CloseHandle(handle)
