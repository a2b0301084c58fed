"""What ``--quick`` runs: Linux' tests, and of one Windows Python those that tell the most.

Left out of Linux' are those of the lab itself, and those that do one thing many times over, or need
a browser. Without ``--quick`` all of them run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest  # which a bare machine has not got yet

PYTHON = "3.12"  # which Tribler is built with

# Of tests/windows: that each fault is there and is gone, that what follows it is heard, that IPv8's
# endpoints are watched and mended, and that the variable alone does it.
TELLING = (
    "test_catalogue.py",
    "test_demo.py",
    "test_install.py",
    "test_ipv8_endpoints.py",
    "test_ipv8_service.py",
    "test_startup_hook.py",
    "test_transport_closing.py",
    "test_transport_rearm.py",
    "test_transport_receiving.py",
    "test_transport_sending.py",
    "test_tribler_rest.py",
    "test_watchdog.py",
)
LEFT_OUT = (
    "page",
    "test_benchmarks.py",
    "test_bridge.py",
    "test_frozen.py",
    "test_icmp_router.py",
    "test_icmp_shim.py",
    "test_import_stress.py",
    "test_ipv8_suites.py",
    "test_ipv8_versions.py",
    "test_networks.py",
    "test_packaging.py",
    "test_peer_monitor.py",
    "test_release.py",
    "test_second_chances.py",
    "test_setup.py",
    "test_simulation.py",
    "test_simulation_model.py",
    "test_tribler_relay.py",
    "test_tribler_rest_openapi.py",
    "test_winlab.py",
    "test_winlab_network.py",
)


class Quick:
    """The plugin that deselects the rest, below the folder of the tests."""

    def __init__(self, tests: Path) -> None:
        self._tests = tests

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        kept = [item for item in items if self._tells(item.path)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept

    def _tells(self, file: Path) -> bool:
        top, *rest = file.relative_to(self._tests).parts
        return rest[0] in TELLING if top == "windows" else top not in LEFT_OUT


def add_option(parser: pytest.Parser) -> None:
    """Add the option to pytest's."""
    parser.addoption(
        "--quick",
        action="store_true",
        help="only Linux' tests, and one Windows Python's most telling ones: some minutes",
    )


def register(config: pytest.Config, tests: Path) -> None:
    """Add the plugin where the option asks for it."""
    if config.getoption("--quick"):
        config.pluginmanager.register(Quick(tests), "winlab-quick")
