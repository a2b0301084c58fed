"""The modules, classes and functions of Tribler by name: none of them is imported here."""

from __future__ import annotations

from tribler_udp_fix._imports._modules import Target

# Tribler 8.0 to 8.4.
SESSION = "tribler.core.session"
COMPONENTS = "tribler.core.components"
REST_MANAGER = "tribler.core.restapi.rest_manager"
EVENTS = "tribler.core.restapi.events_endpoint"
TRACKERS = "tribler.core.torrent_checker.torrentchecker_session"

# Tribler 7.13 and 7.14.
START_CORE = "tribler.core.start_core"
COMPONENT = "tribler.core.components.component"
REST_COMPONENT = "tribler.core.components.restapi.restapi_component"
REST_MANAGER_7 = "tribler.core.components.restapi.rest.rest_manager"
REST_ENDPOINT_7 = "tribler.core.components.restapi.rest.rest_endpoint"
EVENTS_7 = "tribler.core.components.restapi.rest.events_endpoint"
_CHECKER_7 = "tribler.core.components.torrent_checker.torrent_checker"
TRACKERS_7 = f"{_CHECKER_7}.torrentchecker_session"

# By the module whose import is waited for. A further one needs its repair in _repairs.py.
TARGETS: dict[str, Target] = {
    SESSION: Target("Session", ("tribler",)),
    START_CORE: Target("components_gen", ("tribler",)),
    REST_MANAGER_7: Target("RESTManager", ("tribler",)),
    TRACKERS: Target("UdpSocketManager", ("trackers",)),
    TRACKERS_7: Target("UdpSocketManager", ("trackers",)),
}
