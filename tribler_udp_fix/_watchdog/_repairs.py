"""Which methods of IPv8's service are replaced, so that its endpoints are watched while it runs.

The shapes are those of pyipv8 2.10.0 to 3.2.1.
"""

from __future__ import annotations

from tribler_udp_fix._imports._modules import required_class
from tribler_udp_fix._patching._patches import OneOf, Patch, Repair, Shape
from tribler_udp_fix._watchdog import _ipv8_service
from tribler_udp_fix._watchdog._names import TARGETS


def repair_of(module: str) -> Repair:
    """The watchdog, attached when an instance has started and detached before it stops.

    Raises LookupError where the *module*, which is imported, has no such class.
    """
    name, faults = TARGETS[module]
    cls = required_class(module, name)
    shapes = (
        Shape(cls, "start", ["self"], ["endpoint", "open"], coroutine=True),
        OneOf(
            (
                Shape(cls, "stop", ["self", "stop_loop"], ["endpoint", "close"], coroutine=True),
                Shape(cls, "stop", ["self"], ["endpoint", "close"], coroutine=True),
            )
        ),
    )
    how = "each IPv8 instance is watched, from its start to its stop"
    patches = (Patch(cls, "start", _ipv8_service.start), Patch(cls, "stop", _ipv8_service.stop))
    return Repair(how, faults, shapes, patches)
