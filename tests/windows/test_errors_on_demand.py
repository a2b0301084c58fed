"""Receive errors that the lab makes on demand: see "Errors on demand" in its README."""

from __future__ import annotations

import ctypes
import socket
import threading
import time
from typing import Any, Iterator

import pytest
from receives import SETTLE, error_at_once, number, received
from udp import fail_receive, needs_lab, plain_socket, send

pytestmark = needs_lab

WSAEMSGSIZE = 10040

# NTSTATUS: what a waiting receive completes with, and what one posted later fails with.
OUTCOMES = {
    0xC0000008: (6, 10038),  # STATUS_INVALID_HANDLE
    0xC000000D: (87, 10022),  # STATUS_INVALID_PARAMETER
    0xC0000017: (8, 10055),  # STATUS_NO_MEMORY
    0xC0000024: (6, 10038),  # STATUS_OBJECT_TYPE_MISMATCH
    0xC000009A: (1450, 10055),  # STATUS_INSUFFICIENT_RESOURCES
    0xC00000B0: (233, 10058),  # STATUS_PIPE_DISCONNECTED
    0xC00000B5: (121, 10060),  # STATUS_IO_TIMEOUT
    0xC00000BF: (54, 10050),  # STATUS_NETWORK_BUSY
    0xC0000102: (1392, 10022),  # STATUS_FILE_CORRUPT_ERROR, for any without a Winsock number
    0xC0000120: (995, 995),  # STATUS_CANCELLED
    0xC000013B: (64, 10053),  # STATUS_LOCAL_DISCONNECT
    0xC000013C: (64, 10054),  # STATUS_REMOTE_DISCONNECT
    0xC000020C: (64, 10054),  # STATUS_CONNECTION_DISCONNECTED
    0xC000020D: (64, 10054),  # STATUS_CONNECTION_RESET
    0xC0000236: (1225, 10061),  # STATUS_CONNECTION_REFUSED
    0xC000023C: (1231, 10051),  # STATUS_NETWORK_UNREACHABLE
    0xC000023D: (1232, 10065),  # STATUS_HOST_UNREACHABLE
    0xC000023E: (1233, 10051),  # STATUS_PROTOCOL_UNREACHABLE
    0xC000023F: (1234, 10054),  # STATUS_PORT_UNREACHABLE
    0xC0000240: (1235, 10004),  # STATUS_REQUEST_ABORTED
    0xC0000241: (1236, 10053),  # STATUS_CONNECTION_ABORTED
    # Facility 7, a Win32 number in disguise: that number both ways.
    0xC0072719: (10009, 10009),
    0xC0072726: (10022, 10022),
    0xC0072736: (10038, 10038),
    0xC0072742: (10050, 10050),
    0xC0072744: (10052, 10052),
    0xC0072747: (10055, 10055),
    0xC007274A: (10058, 10058),
}

ORDINARY = {
    "one byte more": b"winlab:ntstatus:C000023F ",
    "one byte less": b"winlab:ntstatus:C000023",
    "another word": b"winlab:NTSTATUS:C000023F",
    "no number": b"winlab:ntstatus:C000023G",
    "a sign": b"winlab:ntstatus:-000023F",
    "a prefix": b"winlab:ntstatus:0x00023F",
    "success": b"winlab:ntstatus:00000000",
    "information": b"winlab:ntstatus:40000000",
    "another warning": b"winlab:ntstatus:80000006",
    "nothing to read yet": b"winlab:ntstatus:C00000A3",
    "a NUL": b"winlab:ntstatus:C00002\x003",
}


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with plain_socket() as sock:
        yield sock


@pytest.mark.parametrize("status", OUTCOMES, ids="{:08X}".format)
def test_an_ntstatus_fails_a_receive_with_its_numbers(receiver, port, status):
    waiting, at_once = OUTCOMES[status]
    port.post(receiver)
    fail_receive(receiver.getsockname(), status)
    assert port.completion() == (waiting, 0)
    fail_receive(receiver.getsockname(), status)
    time.sleep(SETTLE)
    assert error_at_once(port, receiver) == at_once
    assert port.nothing_completes()
    send(receiver.getsockname(), b"hello")
    assert received(receiver) == b"hello"


@pytest.mark.parametrize("connected", [False, True], ids=["unconnected", "connected"])
def test_an_ntstatus_fails_a_receive_of_either_family_connected_or_not(family, connected, port):
    with plain_socket(family) as sock, plain_socket(family) as peer:
        if connected:
            sock.connect(peer.getsockname())
        port.post(sock)
        peer.sendto(b"winlab:ntstatus:c000023d", sock.getsockname())
        assert port.completion() == (1232, 0)
        peer.sendto(b"winlab:ntstatus:c000023d", sock.getsockname())
        time.sleep(SETTLE)
        assert error_at_once(port, sock) == 10065


def test_buffer_overflow_is_a_truncated_datagram(receiver, port):
    overlapped = port.post(receiver)
    fail_receive(receiver.getsockname(), 0x80000005)
    assert port.completion() == (234, 24)
    assert overlapped.getresult(False)[0] == b"winlab:ntstatus:80000005"
    fail_receive(receiver.getsockname(), 0x80000005)
    time.sleep(SETTLE)
    assert error_at_once(port, receiver) == WSAEMSGSIZE
    assert port.completion() == (234, 24)


def test_more_facility_7_statuses_than_wine_has_room_for_keep_their_numbers(receiver):
    for error in [*range(10036, 10062), *range(10036, 10062)]:
        fail_receive(receiver.getsockname(), 0xC0070000 | error)
        time.sleep(0.002)
        with pytest.raises(OSError) as caught:
            received(receiver)
        assert number(caught.value) == error


@pytest.mark.parametrize("payload", ORDINARY.values(), ids=ORDINARY)
def test_a_datagram_that_merely_looks_like_a_command_is_received(receiver, port, payload):
    send(receiver.getsockname(), payload)
    assert received(receiver) == payload
    port.post(receiver)
    send(receiver.getsockname(), payload)
    assert port.completion() == (0, len(payload))


def test_a_peek_fails_and_takes_the_error_with_it(receiver):
    fail_receive(receiver.getsockname(), 0xC000023F)
    send(receiver.getsockname(), b"hello")
    receiver.settimeout(2)
    with pytest.raises(ConnectionResetError):
        receiver.recv(2000, socket.MSG_PEEK)
    assert receiver.recv(2000, socket.MSG_PEEK) == b"hello"
    assert received(receiver) == b"hello"


@pytest.mark.parametrize("size", [0, 1, 16, 23, 24])
def test_an_ntstatus_fails_a_receive_with_a_small_buffer(receiver, size):
    fail_receive(receiver.getsockname(), 0xC000023F)
    with pytest.raises(ConnectionResetError):
        receiver.recvfrom_into(bytearray(size + 1), size) if size else receiver.recvfrom(0)


@pytest.mark.parametrize("sizes", [(1, 15, 8), (16, 2000), (23, 0, 1), (5, 5), (24,)])
def test_an_ntstatus_fails_a_receive_into_several_buffers(receiver, sizes):
    fail_receive(receiver.getsockname(), 0xC000023D)
    assert scatter(receiver, sizes) == (10065, b"")


@pytest.mark.parametrize("sizes", [(1, 15, 8), (16, 2000), (23, 0, 1), (3, 4)])
def test_a_datagram_is_received_into_several_buffers(receiver, sizes):
    datagram = b"winlab:"
    send(receiver.getsockname(), datagram)
    assert scatter(receiver, sizes) == (0, datagram)


def scatter(sock: socket.socket, sizes: Any) -> tuple[int, bytes]:
    """The Winsock number and the bytes of a receive into buffers of those sizes."""

    class Buffer(ctypes.Structure):
        _fields_ = [("size", ctypes.c_ulong), ("data", ctypes.c_void_p)]

    winsock = ctypes.CDLL("ws2_32")
    parts = [ctypes.create_string_buffer(size + 1) for size in sizes]
    buffers = (Buffer * len(sizes))(
        *(Buffer(size, ctypes.addressof(part)) for size, part in zip(sizes, parts))
    )
    size, flags = ctypes.c_ulong(0), ctypes.c_ulong(0)
    handle = ctypes.c_void_p(sock.fileno())
    if winsock.WSARecv(
        handle, buffers, len(sizes), ctypes.byref(size), ctypes.byref(flags), None, None
    ):
        return winsock.WSAGetLastError(), b""
    data = b"".join(part.raw[:length] for part, length in zip(parts, sizes))
    return 0, data[: size.value]


def test_threads_that_receive_at_once_get_their_own_errors():
    outcomes: dict[int, list[int]] = {}

    def receive(status: int) -> None:
        numbers = outcomes[status] = []
        with plain_socket() as sock, plain_socket() as peer:
            sock.settimeout(2)
            for _ in range(100):
                peer.sendto(b"winlab:ntstatus:%08X" % status, sock.getsockname())
                try:
                    sock.recv(2000)
                except OSError as error:
                    numbers.append(number(error))

    statuses = [0xC000023D, 0xC0072742, 0xC0072744, 0xC0072747]
    threads = [threading.Thread(target=receive, args=(status,)) for status in statuses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {status: [OUTCOMES[status][1]] * 100 for status in statuses}
