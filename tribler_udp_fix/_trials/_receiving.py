"""The trials of what an endpoint hears after an error, F1 to F4, F8 and F9."""

from __future__ import annotations

import asyncio
import socket
import time

from ._stage import (
    ABSENT,
    HEALTHY,
    SUFFERS,
    Address,
    Recorder,
    Stage,
    Undecided,
    address_of,
    count_icmp_errors,
    describe,
    send,
)

PORT_UNREACHABLE = (10054, 1234)  # the Winsock and the Win32 number of one ICMP error
TRUNCATED = (10040, 234)
PAUSE = 0.05  # seconds in which the loop does not run, so that no receive waits


async def one_error_while_a_receive_waits(stage: Stage) -> tuple[str, str]:
    """F1 (gh-91227, gh-156784)."""
    _need_icmp_errors(stage, 1)
    sock, peer = stage.plain_socket(), stage.plain_socket()
    endpoint = await stage.endpoint(sock)
    await _prime(stage, endpoint, peer)
    endpoint.transport.sendto(b"anyone there?", stage.closed_port())
    return await _judge(stage, endpoint, peer, 1, PORT_UNREACHABLE)


async def several_errors_while_no_receive_waits(stage: Stage) -> tuple[str, str]:
    """F2 (gh-127057)."""
    reported = _need_icmp_errors(stage, 3)
    sock, peer = stage.plain_socket(), stage.plain_socket()
    endpoint = await stage.endpoint(sock)
    await _prime(stage, endpoint, peer)
    # Through the socket itself: the transport would send the second one only after the loop
    # has run, and the loop would take up the first error then.
    for _ in range(3):
        send(sock, b"anyone there?", stage.closed_port())
    time.sleep(PAUSE)
    # The first one meets the receive that waits: whether that is told is F1's question.
    return await _judge(stage, endpoint, peer, reported, PORT_UNREACHABLE, untold=1)


async def errors_on_a_connected_socket(stage: Stage) -> tuple[str, str]:
    """F3: gh-91227's fix covers recvfrom(), and a connected endpoint uses recv()."""
    probe = stage.plain_socket()
    probe.connect(stage.closed_port())
    reported = count_icmp_errors(probe, [None, None])
    if not reported:
        raise Undecided("no ICMP error reaches a connected socket on this machine")
    peer = stage.plain_socket()
    address = peer.getsockname()
    endpoint = await stage.endpoint(remote=address)
    await _prime(stage, endpoint, peer)
    peer.close()
    endpoint.transport.sendto(b"anyone there?")
    endpoint.transport.sendto(b"anyone there?")
    await stage.until(lambda: len(endpoint.errors) >= reported)
    try:
        peer = stage.plain_socket(*address)
    except OSError as exc:
        raise Undecided(f"another program took the peer's port: {exc}") from None
    return await _judge(stage, endpoint, peer, reported, PORT_UNREACHABLE)


async def a_truncated_datagram(stage: Stage) -> tuple[str, str]:
    """F4: the one other receive error that a program can cause on any machine.

    Two datagrams are larger than the endpoint's receives: one meets a receive that waits and
    one comes while none does. Neither may be delivered in part.
    """
    if not _truncation_fails(stage):
        raise Undecided("this system cuts datagrams without an error")
    sock, peer = stage.plain_socket(), stage.plain_socket()
    endpoint = await stage.endpoint(sock, max_size=64)
    await _prime(stage, endpoint, peer)
    send(peer, b"large and waited for".ljust(100), sock.getsockname())
    await stage.until(lambda: bool(endpoint.errors) or len(endpoint.received) > 1)
    in_part = len(endpoint.received) > 1
    # The small one completes the receive that waits, so that the large one finds none.
    seen = len(endpoint.received)
    send(peer, b"small", sock.getsockname())
    send(peer, b"large".ljust(100), sock.getsockname())
    time.sleep(PAUSE)
    await stage.until(lambda: len(endpoint.received) > seen)
    verdict, observed = await _judge(stage, endpoint, peer, 1 if in_part else 2, TRUNCATED)
    if verdict == HEALTHY and in_part:
        return SUFFERS, "a truncated datagram was delivered in part, as if it were whole"
    return verdict, observed


async def an_empty_datagram(stage: Stage) -> tuple[str, str]:
    """F8: ``if data:`` in _loop_reading."""
    sock, peer = stage.plain_socket(), stage.plain_socket()
    endpoint = await stage.endpoint(sock)
    send(peer, b"", sock.getsockname())
    send(peer, b"marker", sock.getsockname())
    if not await stage.until(lambda: b"marker" in endpoint.received):
        return SUFFERS, "the datagram after the empty one was not heard either"
    if endpoint.received != [b"", b"marker"]:
        return SUFFERS, "an empty datagram was not delivered, the one after it was"
    return HEALTHY, "an empty datagram was delivered"


async def sock_recvfrom_after_errors(stage: Stage) -> tuple[str, str]:
    """F9: a side effect of gh-91227's fix."""
    if not hasattr(stage.loop, "sock_recvfrom"):
        return ABSENT, "this Python has no loop.sock_recvfrom()"
    _need_icmp_errors(stage, 2)
    sock, peer = stage.plain_socket(), stage.plain_socket()
    task = asyncio.ensure_future(stage.loop.sock_recvfrom(sock, 4096))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(2):
        send(sock, b"anyone there?", stage.closed_port())
    time.sleep(PAUSE)
    send(peer, b"good", sock.getsockname())
    if not await stage.until(task.done):
        task.cancel()
        return SUFFERS, "sock_recvfrom() did not return, though a datagram came"
    try:
        data, address = task.result()
    except OSError as exc:
        return SUFFERS, f"sock_recvfrom() raised {describe(exc)}"
    if (data, address) != (b"good", peer.getsockname()):
        return SUFFERS, f"sock_recvfrom() returned {(data, address)!r}, no datagram of anyone's"
    return HEALTHY, "sock_recvfrom() returned the next datagram and its sender's address"


def _need_icmp_errors(stage: Stage, sends: int) -> int:
    """How many errors so many sends to closed ports cause on a plain socket of this machine."""
    targets: list[Address | None] = [stage.closed_port() for _ in range(sends)]
    reported = count_icmp_errors(stage.plain_socket(), targets)
    if not reported:
        raise Undecided("no ICMP error reaches a UDP socket on this machine")
    return reported


def _truncation_fails(stage: Stage) -> bool:
    probe = stage.plain_socket()
    send(probe, b"large".ljust(100), probe.getsockname())
    try:
        probe.recv(64)
    except OSError:
        return True
    return False


async def _prime(stage: Stage, endpoint: Recorder, peer: socket.socket) -> None:
    """Let the endpoint hear a first datagram, after which a receive waits for the next."""
    send(peer, b"first", address_of(endpoint))
    if not await stage.until(lambda: b"first" in endpoint.received):
        raise Undecided("the endpoint did not hear even its first datagram")


async def _judge(
    stage: Stage,
    endpoint: Recorder,
    peer: socket.socket,
    expected: int,
    numbers: tuple[int, ...],
    untold: int = 0,
) -> tuple[str, str]:
    """Send a good datagram and say whether it and each error, but *untold*, arrived, once."""
    send(peer, b"good", address_of(endpoint))
    heard = await stage.until(lambda: b"good" in endpoint.received)
    if not heard:
        return SUFFERS, f"deaf: the next datagram was not heard, after {_told(endpoint)}"
    await stage.until(lambda: len(endpoint.errors) >= expected)
    # What an error would be reported twice for lies before this one.
    send(peer, b"marker", address_of(endpoint))
    if not await stage.until(lambda: b"marker" in endpoint.received):
        return SUFFERS, f"heard the next datagram and then none, after {_told(endpoint)}"
    if not endpoint.errors:
        return SUFFERS, "heard, but error_received was not called"
    if not expected - untold <= len(endpoint.errors) <= expected:
        return SUFFERS, f"heard, but {_told(endpoint)}, not {expected}"
    for exc in endpoint.errors:
        if getattr(exc, "winerror", numbers[0]) not in numbers:
            return SUFFERS, f"heard, but error_received was given {describe(exc)}"
    return HEALTHY, f"heard, after {_told(endpoint)}"


def _told(endpoint: Recorder) -> str:
    count = len(endpoint.errors)
    return f"{count} call{'' if count == 1 else 's'} of error_received"
