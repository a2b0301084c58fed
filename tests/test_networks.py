"""Nodes whose addresses come and go, and ports that are taken: never worse than IPv8 alone.

On Linux and on a Windows Python in the lab, each in a network namespace of its own.
tests/windows/test_networks.py does on all Windows Pythons what needs no other address.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Callable, Iterable, Iterator, Tuple

import pytest

if sys.platform == "win32":
    pytest.skip("tests/windows/test_networks.py is for Windows", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from tests.winlab import networks
from tests.winlab.lay import lay
from tests.winlab.machines import SCRIPTS, LinuxMachine, Machine, windows_machine
from tests.winlab.network import Namespace, loopback_namespace
from tests.winlab.pythons import find

Run = Tuple[str, bool, Tuple[Tuple[str, str], ...]]
AT_ONCE = 4
QUICK = {"PROBE_AFTER": "0.5", "PROBE_TIMEOUT": "0.3", "TICK": "0.1", "RETRY_CAP": "60"}
SECONDS = 3.0  # until a node hears again whose address has come back


@contextmanager
def two_adapters(name: str) -> Iterator[Namespace]:
    with loopback_namespace(f"networks-{name}-{os.getpid()}") as namespace:
        for interface, address in (("wire", "10.66.1.2/24"), ("vpn", "10.78.0.1/24")):
            end = f"{interface}-end"
            namespace.run("ip", "link", "add", interface, "type", "veth", "peer", "name", end)
            namespace.run("ip", "address", "add", address, "dev", interface)
            for one in (interface, end):
                namespace.run("ip", "link", "set", "dev", one, "up")
        # So that whatever leaves is on the wire at once, not behind a question who 10.66.1.1 is.
        gateway = ("10.66.1.1", "lladdr", "02:00:00:00:00:01", "dev", "wire")
        namespace.run("ip", "neighbour", "add", *gateway)
        namespace.run("ip", "route", "add", "default", "via", "10.66.1.1", "dev", "wire")
        yield namespace


class Machines:
    """One for each run, so that several go at once: they wait for most of the time.

    *make* makes one, on a network of that name. What *runs* has begins with the first that is asked
    for: name, whether the plugin is on, and the settings other than QUICK.
    """

    def __init__(self, make: Callable[[str], Any], runs: Iterable[Run]) -> None:
        self.make = make
        self._runs = list(runs)
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._begun: dict[Run, Future[Any]] = {}

    def seen(self, run: Run) -> Any:
        for each in [run, *self._runs]:
            if each not in self._begun:
                self._begun[each] = self._pool.submit(self._see, each)
        return self._begun[run].result()

    def _see(self, run: Run) -> Any:
        name, plugin, settings = run
        with self.make(f"{name[:20]}{'-ours' if plugin else ''}{len(settings)}") as machine:
            script = SCRIPTS / ("adapters.py" if run in (*ADAPTERS, DEVICE) else "networks.py")
            found = machine.seen(script, name, plugin=plugin, settings={**QUICK, **dict(settings)})
        return found[name]

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def on_linux(name: str) -> Iterator[Machine]:
    with two_adapters(f"{name}-linux") as namespace:
        yield LinuxMachine(namespace, (sys.executable,))


@contextmanager
def on_windows(name: str) -> Iterator[Machine]:
    python = find("3.12")
    with two_adapters(f"{name}-windows") as network, windows_machine(network, python) as machine:
        yield machine


TUNNEL = (("BIND_INTERFACE", "tunnel"),)
MOVING = ("appears", "away", "readdressed")
ADAPTERS: list[Run] = [
    ("kept_to_an_adapter", False, ()),
    ("kept_to_an_adapter", True, TUNNEL),
    ("an_adapter_that_comes", True, TUNNEL),
    ("rust_that_keeps_to_an_adapter", True, TUNNEL),
    ("a_transport_that_keeps_to_an_adapter", True, ()),
]
DEVICE: Run = ("probes_that_stay_here", True, ())  # Windows binds no socket to one, or to a group
VIRTUAL: Run = ("virtual_adapters", True, ())
EVERYWHERE: list[Run] = [
    *ADAPTERS,
    VIRTUAL,
    *[(name, on, ()) for name in MOVING for on in (False, True)],
]
STILL = ("one_of_two", "none_at_all", "resumed", "readdressed_elsewhere", "stop_and_start")


@pytest.fixture(scope="module")
def network() -> Iterator[Machines]:
    machines = Machines(
        on_linux, [*EVERYWHERE, *[(name, on, ()) for name in STILL for on in (False, True)]]
    )
    yield machines
    machines.close()


@pytest.fixture(scope="module")
def windows() -> Iterator[Machines]:
    lay([find("3.12")])  # once, and not at the same time for each
    machines = Machines(on_windows, EVERYWHERE)
    yield machines
    machines.close()


@pytest.fixture(params=["network", "windows"], ids=["Linux", "Windows-3.12"])
def machine(request: pytest.FixtureRequest) -> Machines:
    machines: Machines = request.getfixturevalue(request.param)
    return machines


def seen(machine: Machines, name: str, *, plugin: bool, **settings: str) -> dict[str, Any]:
    """What the script sees on that machine."""
    found: dict[str, Any] = machine.seen((name, plugin, tuple(sorted(settings.items()))))
    return dict(found)


def both(machine: Machines, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return seen(machine, name, plugin=False), seen(machine, name, plugin=True)


def test_an_interface_that_cannot_be_opened_harms_no_other(network):
    alone, ours = both(network, "one_of_two")
    assert (alone["raised"], alone["heard"]) == ("nothing", True)
    assert ours == {
        "raised": "nothing",
        "heard": True,
        "reasons": ["", "its address 2001:db8::9 is not on this machine"],
        "tracebacks": 0,
    }


def test_a_node_without_any_socket_burns_no_core_and_stops(network):
    alone, ours = both(network, "none_at_all")
    assert alone["stop"] == "AttributeError"
    assert ours.pop("core") < 0.01
    assert ours == {
        "raised": "nothing",
        "state": "backing off",
        "lost": 1,
        "bound": False,
        "configured": ["2001:db8::9", 8090],
        "reasons": ["its address 2001:db8::9 is not on this machine"],
        "stop": "clean",
        "tracebacks": 0,
    }


def test_an_address_that_comes_after_the_start_is_opened(machine):
    alone, ours = both(machine, "appears")
    assert alone["heard"] is None
    assert ours["reasons"] == ["", "its address 10.77.0.7 is not on this machine"]
    assert ours["heard"] <= SECONDS


def test_without_a_watchdog_a_node_opens_as_well_when_its_address_comes(network):
    ours = seen(network, "appears", plugin=True, WATCHDOG="0")
    assert ours.pop("heard") <= SECONDS
    assert ours == {"reasons": [], "not opened": 1, "tracebacks": 0}


def test_without_a_watchdog_a_node_without_any_socket_harms_nobody_and_stops(network):
    ours = seen(network, "none_at_all", plugin=True, WATCHDOG="0")
    assert ours.pop("core") < 0.01
    assert ours == {"raised": "nothing", "reasons": [], "stop": "clean", "tracebacks": 0}


def test_an_address_that_goes_and_comes_back_keeps_its_socket_and_no_probe_leaves(machine):
    alone, ours = both(machine, "away")
    assert alone["heard"] <= SECONDS
    assert ours.pop("heard") <= SECONDS
    assert ours == {
        "first": True,
        "leaked": 0,
        "reasons": ["", "its address 10.77.0.7 is not on this machine"],
        "same socket": True,
        "tracebacks": 0,
    }


@pytest.mark.skipif(sys.platform != "linux", reason="the notices are Linux's netlink")
def test_an_address_that_goes_is_noticed_before_a_probe_is_due_and_others_cause_none(network):
    alone = seen(network, "noticed", plugin=False)
    assert alone["heard"] <= SECONDS
    ours = seen(network, "noticed", plugin=True, PROBE_AFTER="60")
    assert ours.pop("heard") <= SECONDS
    assert ours == {
        "first": True,
        "probed for others": False,
        "reason": "its address 10.77.0.7 is not on this machine",
        "state": "healthy",
        "rebinds": 0,
        "tracebacks": 0,
    }


def test_communities_learn_of_another_address_of_the_machine(machine):
    alone, ours = both(machine, "readdressed")
    assert (alone["before"], alone["after"]) == ("10.66.1.2", None)
    assert ours["before"] == "10.66.1.2"
    assert ours["after"] <= SECONDS


@pytest.mark.skipif(sys.platform != "linux", reason="the notices are Linux's netlink")
def test_communities_learn_that_another_adapters_address_has_gone(network):
    alone, ours = both(network, "readdressed_elsewhere")
    assert alone["lan"] == "10.77.0.7"
    assert ours["lan"] == "10.66.1.2"


# The second is what Wine's list of adapters makes of it: that keeps one which has gone.
NO_TUNNEL = {
    "its adapter tunnel is not on this machine, which has lo, vpn, vpn-end, wire, wire-end",
    "its adapter tunnel has no IPv4 address",
}


def test_a_node_that_keeps_to_an_adapter_follows_it_and_sends_by_no_other(machine):
    alone = seen(machine, "kept_to_an_adapter", plugin=False)
    ours = seen(machine, "kept_to_an_adapter", plugin=True, BIND_INTERFACE="tunnel")
    if machine.make is on_linux:  # Wine binds a socket to the device that has its address
        assert alone["leaked"] > 0
    assert alone["then"] == ["10.80.0.2", 8090]
    assert ours.pop("follows") <= SECONDS
    (reason,) = ours.pop("reasons")
    assert reason in NO_TUNNEL
    assert ours == {
        "bound to": ["10.80.0.2", 8090],
        "lan": "10.80.0.2",
        "leaked": 0,
        "then": ["10.80.0.9", 8090],
        "lan then": "10.80.0.9",
        "leaked then": 0,
        "heard": True,
        "tracebacks": 0,
    }


def test_a_node_whose_adapter_comes_after_the_start_sends_nothing_until_then(machine):
    ours = seen(machine, "an_adapter_that_comes", plugin=True, BIND_INTERFACE="tunnel")
    assert ours.pop("open after") <= SECONDS
    assert set(ours.pop("reasons")) & NO_TUNNEL
    assert ours == {
        "leaked": 0,
        "bound to": ["10.80.0.2", 8090],
        "reasons then": ["", "its adapter tunnel has no IPv6 address"],
        "tracebacks": 0,
    }


def test_a_rust_endpoint_waits_for_its_adapter_on_loopback_and_follows_it(machine):
    settings = {"BIND_INTERFACE": "tunnel"}
    ours = seen(machine, "rust_that_keeps_to_an_adapter", plugin=True, **settings)
    assert set(ours.pop("reasons")) < NO_TUNNEL
    assert ours == {
        "parked": ["127.0.0.1", 8090],
        "state": ["backing off"],
        "then": [["10.80.0.2", 8090], True, ["10.80.0.9", 8090], True],
        "lan": "10.80.0.9",
        "leaked": 0,
        "tracebacks": 0,
    }


def test_a_transport_keeps_to_an_adapter_from_the_moment_that_it_is_asked(machine):
    ours = seen(machine, "a_transport_that_keeps_to_an_adapter", plugin=True)
    assert ours.pop("reason") in NO_TUNNEL
    assert ours.pop("state") in ("healthy", "quiet")
    assert ours == {
        "before": 1,
        "bound to": ["10.80.0.2", True],
        "interface": "tunnel",
        "leaked": 0,
        "tracebacks": 0,
    }


def test_no_probe_leaves_for_a_device_or_a_multicast_group(network):
    ours = seen(network, "probes_that_stay_here", plugin=True)
    device, group = ours.pop("reasons")
    assert device.endswith("its program has bound it to a device")
    assert group.endswith("it is bound to a multicast group, whose members are others as well")
    assert ours == {"leaked": 0, "missed": [0, 0], "rebinds": [0, 0], "tracebacks": 0}


def test_after_a_sleep_a_node_asks_its_bootstrap_server_at_once_and_once(network):
    alone, ours = both(network, "resumed")
    assert alone["first"] is None
    assert ours["first"] <= 5
    assert ours["asked"] <= 3  # the server, and whom it introduces


def test_what_was_asked_while_nothing_left_is_asked_again_at_once(network):
    ours = seen(network, "resumed_without_a_network", plugin=True)
    assert ours["first"] <= 5


def test_virtual_adapters_that_come_and_go_cost_no_socket(machine):
    assert seen(machine, "virtual_adapters", plugin=True) == {
        "heard": True,
        "rebinds": 0,
        "lost": 0,
        "tracebacks": 0,
    }


@pytest.fixture(scope="module")
def swarm() -> dict[tuple[str, bool], dict[str, Any]]:
    """What one of six nodes sees of each of some faults, alone and with the plugin."""
    runs = [
        (fault, plugin)
        for fault in ("adapter down", "port taken", "port reserved")
        for plugin in (False, True)
        if networks.has(fault, plugin)
    ]
    with ThreadPoolExecutor(len(runs)) as pool:
        suffered = pool.map(lambda run: networks.suffer(run[0], run[1], 6.0, sys.executable), runs)
        return dict(zip(runs, suffered))


@pytest.mark.parametrize("fault", ["adapter down", "port taken", "port reserved"])
def test_one_of_six_nodes_has_its_peers_again_no_later_than_ipv8_alone(swarm, fault):
    ours = swarm[fault, True]
    assert not networks.is_worse(ours, swarm.get((fault, False)), slack=10.0)
    assert ours["all"] is not None


def test_a_node_whose_adapter_is_down_says_that_nothing_leaves(swarm):
    (reason,) = swarm["adapter down", True]["reasons"]
    assert reason.startswith("every send fails: ")


def test_a_node_whose_port_was_taken_hears_soon_after_it_is_free_at_the_same_port(swarm):
    ours = swarm["port taken", True]
    assert ours["reasons"] == ["another program has port 8090"]
    assert ours["first"] <= 5
    assert ours["port"] == 8090


def test_a_node_whose_port_was_reserved_takes_another(swarm):
    assert swarm["port reserved", True]["port"] != 8090


def test_a_node_that_stops_and_starts_keeps_its_port(network):
    alone, ours = both(network, "stop_and_start")
    assert any(alone["moved"])
    assert ours["moved"] == [0, 0, 0]


def test_after_uninstalling_while_its_port_is_taken_a_node_is_open_and_gets_it_back(network):
    ours = seen(network, "taken_and_uninstalled", plugin=True)
    assert ours.pop("heard") <= SECONDS
    assert ours == {
        "raised": "nothing",
        "open": True,
        "reasons": ["", "another program has port PORT"],
        "tracebacks": 0,
    }
