"""Programs that do with an event loop what asyncio's own does not: ``python hosts.py NAME``.

Each prints what it saw, as JSON, once its event loop is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any, Callable

from udp import Recorder, closed_address, endpoint, send, until

DATAGRAMS = 1500


def qt_loop() -> Any:
    """Qt's event loop, as qasync makes an asyncio loop of it; its proactor has a lock."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    import qasync
    from PyQt5.QtCore import QCoreApplication

    qt_loop.application = QCoreApplication([])  # type: ignore[attr-defined]
    return qasync.QEventLoop(qt_loop.application)  # type: ignore[attr-defined]


def nested(make_loop: Callable[[], Any]) -> Any:
    """A loop that may be run by its own callbacks."""
    import nest_asyncio

    loop = make_loop()
    nest_asyncio.apply(loop)
    return loop


async def traffic() -> dict[str, Any]:
    """Datagrams and errors, with a receive re-armed again and again meanwhile."""
    one, two = await endpoint(), await endpoint()
    for number in range(DATAGRAMS):
        one.transport.sendto(b"%d" % number, two.address)
        if number % 50 == 0:
            one.transport.sendto(b"?", closed_address())
            for each in (one, two):
                if hasattr(each.transport, "rearm"):
                    each.transport.rearm()
            await asyncio.sleep(0.001)
    await until(lambda: len(two.heard) == DATAGRAMS, 30)
    await until(lambda: len(one.errors) == DATAGRAMS // 50)
    send(one.address, b"last")
    await until(lambda: one.heard == [b"last"])
    in_order = two.heard == [b"%d" % number for number in range(DATAGRAMS)]
    one.transport.close()
    two.transport.close()
    await asyncio.sleep(0.1)
    loop: Any = asyncio.get_running_loop()
    left = len(loop._proactor._cache)
    return {"in_order": in_order, "errors": len(one.errors), "left": left}


class Waits(Recorder):
    """Handles the first datagram until the second has been heard."""

    wait: Any

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        if data == b"first":
            send(self.address, b"second")
            self.wait(self)
            self.calls.append(("returned", None))


def run_the_loop(protocol: Waits) -> None:
    """As a handler that waits for the answer to a call of its own."""
    loop = asyncio.get_event_loop()
    loop.run_until_complete(until(lambda: b"second" in protocol.heard, 5))


def show_a_dialog(protocol: Waits) -> None:
    """As a handler that asks the user: Qt runs on within."""
    from PyQt5.QtCore import QEventLoop, QTimer

    dialog, timer, end = QEventLoop(), QTimer(), QTimer()
    timer.timeout.connect(lambda: b"second" in protocol.heard and dialog.quit())
    timer.start(10)
    end.singleShot(5000, dialog.quit)
    dialog.exec_()


async def handler_that_waits(wait: Callable[[Waits], None]) -> dict[str, Any]:
    """What is heard while a handler waits, and after it."""
    protocol = await endpoint(protocol=Waits)
    protocol.wait = wait
    send(protocol.address, b"first")
    await until(lambda: protocol.all("returned"), 20)
    send(protocol.address, b"third")
    await until(lambda: b"third" in protocol.heard)
    protocol.transport.close()
    await asyncio.sleep(0.05)
    return {"calls": [[name, (arg or b"").decode()] for name, arg in protocol.calls[1:4]]}


PROGRAMS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "qt-traffic": (qt_loop, traffic),
    "qt-dialog": (qt_loop, lambda: handler_that_waits(show_a_dialog)),
    "nested-proactor": (
        lambda: nested(asyncio.ProactorEventLoop),  # type: ignore[attr-defined,unused-ignore]
        lambda: handler_that_waits(run_the_loop),
    ),
    "nested-selector": (
        lambda: nested(asyncio.SelectorEventLoop),
        lambda: handler_that_waits(run_the_loop),
    ),
}


def main(name: str) -> None:
    """Run one of the programs."""
    make_loop, program = PROGRAMS[name]
    loop = make_loop()
    asyncio.set_event_loop(loop)
    found = loop.run_until_complete(program())
    loop.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
