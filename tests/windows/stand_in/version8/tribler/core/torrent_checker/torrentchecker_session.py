"""The part of Tribler's torrent checker that the plugin relies on; tests read the rest from it."""

from __future__ import annotations

import struct
from asyncio import DatagramProtocol, Future
from typing import Any


class TrackerSession:
    def __init__(
        self,
        tracker_type: str,
        tracker_url: str,
        tracker_address: tuple[str, int],
        announce_page: str,
        timeout: float,
    ) -> None:
        self.tracker_type = tracker_type
        self.tracker_url = tracker_url
        self.tracker_address = tracker_address
        self.announce_page = announce_page
        self.timeout = timeout


class UdpSocketManager(DatagramProtocol):
    def __init__(self) -> None:
        self.tracker_sessions: dict[int, Future[bytes]] = {}
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    async def send_request(self, data: bytes, tracker_session: Any) -> RuntimeError | bytes:
        if tracker_session.proxy:
            return RuntimeError("the tests have none")
        host = tracker_session.ip_address or tracker_session.tracker_address[0]
        try:
            self.transport.sendto(data, (host, tracker_session.port))
            answer: Future[bytes] = Future()
            self.tracker_sessions[tracker_session.transaction_id] = answer
            return await answer
        except OSError as e:
            return RuntimeError(str(e))

    def datagram_received(self, data: bytes, _: Any) -> None:
        (number,) = struct.unpack_from("!i", data, 4)
        answer = self.tracker_sessions.pop(number, None)
        if answer is not None and not answer.done():
            answer.set_result(data)


class UdpTrackerSession(TrackerSession):
    def __init__(self, address: tuple[str, int], number: int, timeout: float) -> None:
        super().__init__("udp", f"udp://{address[0]}:{address[1]}", address, "", timeout)
        self.transaction_id = number
        self.port = address[1]
        self.ip_address = None
        self.proxy: Any = None
