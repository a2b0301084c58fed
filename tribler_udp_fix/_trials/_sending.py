"""The trials of what leaves an endpoint, F5 to F7, F10 and F23."""

from __future__ import annotations

import contextlib

from ._stage import HEALTHY, SUFFERS, Stage, Undecided, address_of, describe, send

TOO_LARGE = 70000  # bytes; no UDP datagram can hold more than 65,507 over IPv4


async def a_write_error_in_the_middle_of_the_queue(stage: Stage) -> tuple[str, str]:
    """F5 (gh-156698)."""
    listener, sender = await stage.endpoint(), await stage.endpoint()
    target = address_of(listener)
    sender.transport.set_write_buffer_limits(high=64, low=0)
    messages = [b"before", b"after", b"last"]
    sender.transport.sendto(messages[0], target)
    sender.transport.sendto(bytes(TOO_LARGE), target)
    sender.transport.sendto(messages[1], target)
    sender.transport.sendto(messages[2], target)
    arrived = await stage.until(lambda: len(listener.received) >= len(messages))
    resumed = await stage.until(lambda: sender.writable) if arrived else sender.writable
    if not arrived:
        stranded = len(messages) - len(listener.received)
        paused = "" if resumed else ", and the protocol stayed paused"
        return SUFFERS, f"{stranded} datagrams behind the error never left{paused}"
    if not resumed:
        return SUFFERS, "the queue left, but the protocol stayed paused"
    if len(sender.errors) != 1 or listener.received != messages:
        return SUFFERS, f"{len(sender.errors)} errors reported, heard {listener.received!r}"
    return HEALTHY, "the datagrams behind the error left and the protocol could write again"


async def close_with_a_queue(stage: Stage) -> tuple[str, str]:
    """F6 (gh-156920)."""
    listener, sender = await stage.endpoint(), await stage.endpoint()
    messages = [b"message %d" % number for number in range(5)]
    for message in messages:
        sender.transport.sendto(message, address_of(listener))
    sender.transport.close()
    arrived = await stage.until(lambda: len(listener.received) >= len(messages))
    lost = await stage.until(lambda: bool(sender.lost)) if arrived else bool(sender.lost)
    if not arrived:
        missing = len(messages) - len(listener.received)
        told = "was" if lost else "was never"
        return SUFFERS, f"{missing} of 5 datagrams never left, connection_lost {told} called"
    if not lost:
        return SUFFERS, "the queue left, but connection_lost was never called"
    await stage.beat()
    if sender.lost != [None]:
        return SUFFERS, f"connection_lost was called with {sender.lost!r}"
    return HEALTHY, "the queue left and connection_lost(None) was called once"


async def the_write_buffer_empties(stage: Stage) -> tuple[str, str]:
    """F7 (gh-135444), with limits so small that twenty datagrams show it."""
    listener, sender = await stage.endpoint(), await stage.endpoint()
    sender.transport.set_write_buffer_limits(high=64, low=16)
    for number in range(20):
        sender.transport.sendto(b"message %d" % number, address_of(listener))
    if not await stage.until(lambda: len(listener.received) >= 20):
        raise Undecided(f"only {len(listener.received)} of 20 datagrams arrived")
    await stage.until(lambda: sender.writable and sender.transport.get_write_buffer_size() == 0)
    left = sender.transport.get_write_buffer_size()
    if left or not sender.writable:
        paused = "" if sender.writable else ", and the protocol stays paused"
        return SUFFERS, f"20 datagrams left and the buffer counts {left} bytes{paused}"
    return HEALTHY, "20 datagrams left and the write buffer is empty"


async def an_ipv6_address_as_a_pair(stage: Stage) -> tuple[str, str]:
    """F10: _overlapped reads a pair as an IPv4 address."""
    try:
        sock, listener_sock = stage.plain_socket("::1"), stage.plain_socket("::1")
    except OSError as exc:
        raise Undecided(f"no IPv6 on this machine: {exc}") from None
    sender, listener = await stage.endpoint(sock), await stage.endpoint(listener_sock)
    host, port = listener_sock.getsockname()[:2]
    sender.transport.sendto(b"to a pair", (host, port))
    await stage.until(lambda: bool(listener.received or sender.errors))
    if sender.errors:
        return SUFFERS, f"sending failed with {describe(sender.errors[0])}"
    if listener.received != [b"to a pair"]:
        return SUFFERS, "nothing arrived, and no error was reported"
    return HEALTHY, "a datagram sent to (host, port) arrived"


async def a_remote_address_that_may_be_a_broadcast(stage: Stage) -> tuple[str, str]:
    """F23: asyncio leaves the socket unconnected, and goes by what it was told all the same."""
    peer = stage.plain_socket()
    peer_address = peer.getsockname()
    sender = await stage.endpoint(remote=peer_address, broadcast=True)
    sender.transport.sendto(b"to whoever it is")
    arrived: list[bytes] = []

    def has_arrived() -> bool:
        with contextlib.suppress(BlockingIOError):
            arrived.append(peer.recv(100))
        return bool(arrived or sender.errors)

    await stage.until(has_arrived)
    if sender.errors:
        return SUFFERS, f"sending failed with {describe(sender.errors[0])}"
    if not arrived:
        return SUFFERS, "nothing arrived, and no error was reported"
    send(peer, b"answer", address_of(sender))
    if not await stage.until(lambda: bool(sender.received)):
        return SUFFERS, "the datagram arrived, its answer was not heard"
    if sender.senders != [peer_address]:
        return SUFFERS, f"the answer was heard as from {sender.senders[0]!r}"
    return HEALTHY, "a datagram arrived, and its answer was heard as from its sender"
