"""Network namespaces from which nothing can leave the machine."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, NamedTuple

from .command import run
from .errors import LabError

FOLDER = Path("/run/netns")

# Linux rations ICMP errors, Windows does not: without these a test loses errors, IPv6 ones first.
# Older kernels have some of these outside the namespace only, where the lab leaves them alone.
UNRATIONED = {
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/icmp_ratemask": "0",
    "net/ipv4/icmp_msgs_per_sec": "1000000",
    "net/ipv4/icmp_msgs_burst": "1000000",
    "net/ipv6/icmp/ratelimit": "0",
}

HOST_A = ("10.66.1.2", "fd66:1::2")
HOST_B = ("10.66.2.2", "fd66:2::2")
ROUTER = (("10.66.1.1", "fd66:1::1"), ("10.66.2.1", "fd66:2::1"))
# Nothing routes to NO_NETWORK, so the router answers that the network is unreachable.
NO_NETWORK = ("10.66.9.1", "fd66:9::1")
NO_HOST = ("10.66.8.1", "fd66:8::1")


class Namespace(NamedTuple):
    """A network namespace, by its name."""

    name: str

    @property
    def exists(self) -> bool:
        """Whether it is there."""
        return (FOLDER / self.name).exists()

    @property
    def inode(self) -> int | None:
        """What tells it from another one of the same name; None where there is none."""
        return (FOLDER / self.name).stat().st_ino if self.exists else None

    def command(self, *arguments: str | Path) -> list[str]:
        """The command that runs another one inside."""
        # Not `ip netns exec`, which also wants to change mounts, and cannot in every container.
        return ["nsenter", f"--net={FOLDER / self.name}", *map(str, arguments)]

    def run(self, *arguments: str) -> str:
        """Run a command inside and give back its output."""
        return run(f"setting up the network namespace {self.name}", self.command(*arguments))

    def make(self) -> None:
        """Make it, with loopback up and ICMP errors unrationed."""
        try:
            run("making a network namespace", ["ip", "netns", "add", self.name])
        except LabError as error:
            raise LabError(f"{error} (a container needs --privileged for it)") from None
        self.run("ip", "link", "set", "dev", "lo", "up")
        self.set(UNRATIONED)

    def set(self, values: dict[str, str]) -> None:
        """Write those of these files of /proc/sys that the kernel has inside a namespace."""
        script = 'while read -r value file; do [ ! -w "$file" ] || echo "$value" > "$file"; done'
        lines = (f"{value} /proc/sys/{file}" for file, value in values.items())
        self.run("sh", "-c", script + " <<END\n" + "\n".join(lines) + "\nEND")

    def remove(self) -> None:
        """Remove it; its interfaces go with the last process inside."""
        if self.exists:
            run("removing a network namespace", ["ip", "netns", "delete", self.name])


class Routed(NamedTuple):
    """Two hosts and the router between them."""

    host_a: Namespace
    router: Namespace
    host_b: Namespace


def routed(name: str) -> Routed:
    """The three namespaces of a routed network, not made yet."""
    return Routed(*(Namespace(f"{name}-{part}") for part in ("a", "router", "b")))


def make_loopback(name: str) -> Namespace:
    """Make a namespace with loopback alone, in place of what is left of one."""
    namespace = Namespace(name)
    namespace.remove()
    namespace.make()
    return namespace


def make_routed(name: str) -> Routed:
    """Make two hosts with a router between them, in place of what is left of them.

    The router has no route to NO_NETWORK and an unreachable one to NO_HOST. The hosts send to each
    other through the router alone, and none of the three has a way out.
    """
    net = routed(name)
    for namespace in net:
        namespace.remove()
        namespace.make()
    for host, (ipv4, ipv6), (via4, via6), end in (
        (net.host_a, HOST_A, ROUTER[0], "a"),
        (net.host_b, HOST_B, ROUTER[1], "b"),
    ):
        peer = ("peer", "name", end, "netns", net.router.name)
        host.run("ip", "link", "add", "wire", "type", "veth", *peer)
        _connect(host, "wire", ipv4, ipv6)
        _connect(net.router, end, via4, via6)
        host.run("ip", "route", "add", "default", "via", via4)
        host.run("ip", "-6", "route", "add", "default", "via", via6)
    net.router.set({"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"})
    net.router.run("ip", "route", "add", "unreachable", "10.66.8.0/24")
    net.router.run("ip", "-6", "route", "add", "unreachable", "fd66:8::/64")
    return net


def _connect(namespace: Namespace, interface: str, ipv4: str, ipv6: str) -> None:
    namespace.run("ip", "address", "add", f"{ipv4}/24", "dev", interface)
    namespace.run("ip", "address", "add", f"{ipv6}/64", "dev", interface, "nodad")
    namespace.run("ip", "link", "set", "dev", interface, "up")


@contextmanager
def loopback_namespace(name: str) -> Iterator[Namespace]:
    """A namespace with loopback alone, for the block."""
    try:
        yield make_loopback(name)
    finally:
        Namespace(name).remove()


@contextmanager
def routed_namespaces(name: str) -> Iterator[Routed]:
    """Two hosts and a router, for the block."""
    try:
        yield make_routed(name)
    finally:
        for namespace in routed(name):
            namespace.remove()
