"""Whose import is awaited, and the gates of each: the one finder of this process.

The gates are functions that are called before anything of ours matters: the making of an event
loop, of an endpoint, of an instance of IPv8 or of a session of Tribler. None of them is called
under a lock of somebody else's.
"""

# Neither "from __future__ import annotations" nor typing: the startup hook imports os and sys only.
import sys

from tribler_udp_fix._imports._finder import ImportFinder

ASYNCIO = "asyncio"
# Within an import of these nothing is installed: another thread may be waiting for this one in
# there, and what is needed to install is imported from these.
NEEDED = (ASYNCIO, "wrapt", "tribler_udp_fix")

_SINCE_3_14 = sys.version_info >= (3, 14)
_POLICY = "_BaseDefaultEventLoopPolicy" if _SINCE_3_14 else "BaseDefaultEventLoopPolicy"
_FUNCTION = (("asyncio.events", "", "new_event_loop"), ("asyncio", "", "new_event_loop"))

GATES = {
    ASYNCIO: (
        # Not the policy's own making: that is under a lock of asyncio's.
        ("asyncio.events", _POLICY, "new_event_loop"),
        ("asyncio.base_events", "BaseEventLoop", "__init__"),
        # For a loop that was made where nothing could be installed.
        ("asyncio.base_events", "BaseEventLoop", "run_forever"),
        # From here on it is this function that the setting "loop" replaces.
        *(_FUNCTION if _SINCE_3_14 else ()),
    ),
}
for _module, _cls, _name in (
    ("ipv8.messaging.interfaces.udp.endpoint", "UDPEndpoint", "__init__"),
    ("ipv8.messaging.interfaces.statistics_endpoint", "StatisticsEndpoint", "__init__"),
    ("ipv8.messaging.anonymization.endpoint", "TunnelEndpoint", "__init__"),
    ("ipv8_service", "IPv8", "__init__"),
    ("tribler.core.session", "Session", "__init__"),
    ("tribler.core.start_core", "", "components_gen"),
    ("tribler.core.components.restapi.rest.rest_manager", "RESTManager", "__init__"),
):
    GATES[_module] = ((_module, _cls, _name),)

FINDER = ImportFinder(GATES, ASYNCIO)
