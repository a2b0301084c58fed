"""Windows says when the machine has resumed: PowerRegisterSuspendResumeNotification, Windows 8."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Callable

assert sys.platform == "win32"

_CALLBACK = 2  # DEVICE_NOTIFY_CALLBACK
# PBT_APMRESUMEAUTOMATIC comes with each resume; others may follow, when a user is there.
_RESUMED = 0x12

_Callback = ctypes.WINFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)


class _Parameters(ctypes.Structure):  # DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS
    _fields_ = (("callback", _Callback), ("context", ctypes.c_void_p))


_library = ctypes.WinDLL("powrprof")


class ResumeRegistration:
    """Calls *resumed* when the machine has resumed, from a thread of Windows'.

    It must return at once and raise nothing. Raises OSError where Windows refuses, AttributeError
    where it is too old.
    """

    def __init__(self, resumed: Callable[[], object]) -> None:
        self._resumed = resumed
        # Windows calls it until it is cancelled: so long it must not be collected.
        self._parameters = _Parameters(_Callback(self._told), None)
        self._handle = ctypes.c_void_p()
        register = _library.PowerRegisterSuspendResumeNotification
        register.restype = ctypes.c_uint32
        register.argtypes = (
            ctypes.c_uint32, ctypes.POINTER(_Parameters), ctypes.POINTER(ctypes.c_void_p),
        )  # fmt: skip
        error = register(_CALLBACK, ctypes.byref(self._parameters), ctypes.byref(self._handle))
        if error:
            raise ctypes.WinError(error)

    def cancel(self) -> None:
        """Hear no more."""
        handle, self._handle = self._handle, ctypes.c_void_p()
        if handle:
            unregister = _library.PowerUnregisterSuspendResumeNotification
            unregister.restype = ctypes.c_uint32
            unregister.argtypes = (ctypes.c_void_p,)
            unregister(handle)

    def _told(self, _context: Any, kind: int, _setting: Any) -> int:
        if kind == _RESUMED:
            self._resumed()
        return 0
