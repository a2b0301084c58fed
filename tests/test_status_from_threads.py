"""``status()``, ``install()`` and ``uninstall()`` while other threads import and run."""

from __future__ import annotations

import pytest

import tribler_udp_fix
from tribler_udp_fix._watchdog import _watchdog

from .startup_hook import output

# Each of these modules of ours asks for a module that is found late: it is half made until then.
SLOW = """
import threading, time
import tribler_udp_fix
half_made = threading.Event()
class Slow:
    def find_spec(self, name, *rest):
        if name == {found_late!r} and {half!r} in sys.modules:
            half_made.set()
            time.sleep(0.5)
sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=lambda: __import__({half!r}))
thread.start()
half_made.wait()
tribler_udp_fix.install()
print([tribler_udp_fix.{call}().installed for _ in range(3)])
thread.join()
"""


WATCHDOG = ("tribler_udp_fix._watchdog._watchdog", "tribler_udp_fix._watchdog._policy")
SERVICE = ("tribler_udp_fix._watchdog._ipv8_service", "tribler_udp_fix._watchdog._watchdog")


@pytest.mark.parametrize(
    ("half", "found_late", "call"),
    [
        (*WATCHDOG, "status"),
        (*WATCHDOG, "install"),
        (*WATCHDOG, "uninstall"),
        (*SERVICE, "uninstall"),
    ],
)
def test_while_another_thread_imports_the_watchdog(half: str, found_late: str, call: str) -> None:
    code = SLOW.format(half=half, found_late=found_late, call=call)
    assert output(code) == f"{[call != 'uninstall'] * 3}\n"


def test_a_history_that_grows_while_it_is_copied_is_copied_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a global lock another thread's loop may append to the deque at any moment."""
    answers = iter([RuntimeError("deque mutated during iteration"), "its status"])

    class Busy:
        class loop:
            is_closed = staticmethod(lambda: False)

        def status(self) -> object:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(_watchdog, "running", {Busy()})
    assert list(map(str, tribler_udp_fix.status().watchdogs)) == ["its status"]


def test_a_handler_that_asks_for_the_status_in_another_thread_is_answered() -> None:
    """What is logged of a repair is logged while no lock of ours is held."""
    code = """
import logging, threading
import tribler_udp_fix
from asyncio import DatagramProtocol
answers = []
class Asking(logging.Handler):
    def emit(self, record):
        asking = threading.Thread(target=lambda: answers.append(tribler_udp_fix.status()))
        asking.start()
        asking.join(10)
        answers.append(asking.is_alive())
logging.getLogger("tribler_udp_fix").addHandler(Asking())
import types
for name in ("ipv8", "ipv8.messaging", "ipv8.messaging.interfaces", "ipv8.messaging.interfaces.udp",
             "ipv8.messaging.interfaces.udp.endpoint"):
    sys.modules[name] = types.ModuleType(name)
tribler_udp_fix.install()
print(len(answers), answers[-1])
"""
    assert output(code) == "2 False\n"


@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')", reason="there is no fork")
def test_a_child_forked_while_a_thread_installs_can_ask_for_the_status() -> None:
    code = """
import threading, time
import tribler_udp_fix
from tribler_udp_fix import _install
tribler_udp_fix.status()
inside = threading.Event()
def hold():
    with _install._lock:
        inside.set()
        time.sleep(0.3)
threading.Thread(target=hold).start()
inside.wait()
child = os.fork()
if not child:
    threading.Timer(5, os._exit, [1]).start()
    tribler_udp_fix.status()
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    assert output(code) == "0\n"
