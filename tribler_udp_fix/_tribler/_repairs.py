"""Which functions of Tribler are replaced, by what, and what they must look like.

The shapes are those of Tribler 7.13.0 to 7.14.0 and 8.0.0 to 8.4.3, every release.
"""

from __future__ import annotations

import sys
from typing import Callable, Tuple

from tribler_udp_fix._imports._modules import required_class
from tribler_udp_fix._patching._patches import Check, Patch, Repair, Shape
from tribler_udp_fix._tribler import _trackers, _version7, _version8
from tribler_udp_fix._tribler._names import (
    COMPONENT,
    COMPONENTS,
    EVENTS,
    EVENTS_7,
    REST_COMPONENT,
    REST_ENDPOINT_7,
    REST_MANAGER,
    REST_MANAGER_7,
    SESSION,
    START_CORE,
    TARGETS,
    TRACKERS,
    TRACKERS_7,
)

Faults = Tuple[str, ...]


def repair_of(module: str) -> Repair:
    """What joins Tribler in a module of ``TARGETS``; raises LookupError if that is unknown."""
    _, faults = TARGETS[module]
    if module in (TRACKERS, TRACKERS_7):
        return _trackers_repair(module, faults)
    return _MAKERS[module](faults)


def _session_repair(faults: Faults) -> Repair:
    session = required_class(SESSION, "Session")
    launcher = required_class(COMPONENTS, "ComponentLauncher")
    uses = ["add_endpoint", "loader", "rest_manager", "set_launcher"]
    shapes = (
        Shape(session, "register_launchers", ["self"], uses),
        *_rest_manager_shapes(required_class(REST_MANAGER, "RESTManager")),
        Shape(launcher, "get_overlay_class", ["self"]),
        *_events_shapes(required_class(EVENTS, "EventsEndpoint")),
    )
    how = f"version 8 has {_version8.PATH}/health, and is told of changes"
    patches = (Patch(session, "register_launchers", _version8.register_launchers),)
    return Repair(how, faults, shapes, patches)


def _rest_manager_shapes(manager: type) -> tuple[Check, ...]:
    return (
        Shape(manager, "add_endpoint", ["self", "endpoint"], ["path", "root_endpoint"]),
        Shape(manager, "get_endpoint", ["self", "name"], ["endpoints", "root_endpoint"]),
    )


def _start_core_repair(faults: Faults) -> Repair:
    module = sys.modules[START_CORE]
    component = required_class(COMPONENT, "Component")
    required_class(REST_COMPONENT, "RESTComponent")
    shapes: tuple[Check, ...] = (
        Shape(module, "components_gen", ["config"], ["RESTComponent"]),
        Shape(component, "start", ["self"], ["run"], coroutine=True),
        Shape(component, "run", ["self"], coroutine=True),
        Shape(component, "shutdown", ["self"], coroutine=True),
        Shape(component, "get_component", ["self", "dependency"], ["session"], coroutine=True),
        *_events_shapes(required_class(EVENTS_7, "EventsEndpoint")),
    )
    how = "version 7.13 is told of changes"
    patches = (Patch(module, "components_gen", _version7.components_gen),)
    return Repair(how, faults, shapes, patches)


def _rest_manager_7_repair(faults: Faults) -> Repair:
    manager = required_class(REST_MANAGER_7, "RESTManager")
    endpoint = required_class(REST_ENDPOINT_7, "RESTEndpoint")
    shapes = (
        Shape(manager, "start", ["self"], ["AppRunner", "root_endpoint"], coroutine=True),
        Shape(manager, "get_endpoint", ["self", "name"], ["endpoints", "root_endpoint"]),
        Shape(endpoint, "add_endpoint", ["self", "prefix", "endpoint"], ["add_subapp", "app"]),
    )
    how = f"version 7.13 has {_version7.PATH}/health"
    return Repair(how, faults, shapes, (Patch(manager, "start", _version7.start_rest),))


def _trackers_repair(module: str, faults: Faults) -> Repair:
    manager = required_class(module, "UdpSocketManager")
    session = required_class(module, "TrackerSession")
    asked = ["ip_address", "port", "proxy", "sendto", "tracker_address", "transaction_id"]
    made = ["self", "tracker_type", "tracker_url", "tracker_address", "announce_page", "timeout"]
    shapes = (
        Shape(manager, "send_request", ["self", "data", "tracker_session"], asked, coroutine=True),
        Shape(session, "__init__", made, ["timeout", "tracker_address"]),
    )
    how = "each UDP tracker is asked from a socket of its own"
    patches = (Patch(manager, "send_request", _trackers.send_request),)
    return Repair(how, faults, shapes, patches)


def _events_shapes(events: type) -> tuple[Check, ...]:
    return (
        Shape(events, "send_event", ["self", "message"], ["queue"]),
        Shape(events, "has_connection_to_gui", ["self"], ["events_responses"]),
    )


_MAKERS: dict[str, Callable[[Faults], Repair]] = {
    SESSION: _session_repair,
    START_CORE: _start_core_repair,
    REST_MANAGER_7: _rest_manager_7_repair,
}
