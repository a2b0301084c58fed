"""Tribler 8.0 to 8.4: a REST endpoint and a component, which each ``Session`` gets with its own."""

from __future__ import annotations

import logging
from typing import Any, Callable

from tribler_udp_fix._imports._modules import loaded_class
from tribler_udp_fix._tribler import _whereabouts
from tribler_udp_fix._tribler._docs import DocumentedEndpoint
from tribler_udp_fix._tribler._gui import Gui
from tribler_udp_fix._tribler._names import COMPONENTS
from tribler_udp_fix._tribler._relay import Relay

logger = logging.getLogger("tribler_udp_fix")

PATH = "/api/udp-fix"
EVENTS_PATH = "/api/events"


def register_launchers(
    wrapped: Callable[..., Any], session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What replaces ``Session.register_launchers()``."""
    result = wrapped(*args, **kwargs)
    try:
        # Before the REST server starts: aiohttp takes no application in after that.
        session.rest_manager.add_endpoint(DocumentedEndpoint(PATH))
        session.loader.set_launcher(_launcher())
    except Exception:  # Tribler is to start all the same
        logger.exception("Tribler does not show how its UDP endpoints are doing")
    return result


def _launcher() -> Any:
    base: Any = loaded_class(COMPONENTS, "ComponentLauncher")

    class UdpFixComponent(base):  # type: ignore[misc]
        """Tells the user interface, from the start of IPv8 to its stop."""

        def __init__(self) -> None:
            super().__init__()
            self.relay: Relay | None = None

        def get_overlay_class(self) -> Any:
            """The component that lives as long as IPv8 does."""
            component: Any = super().get_overlay_class()

            class Component(component):  # type: ignore[misc]
                async def unload(_self) -> None:
                    _whereabouts.remove()
                    if self.relay is not None:
                        self.relay.stop()
                    await super().unload()

            Component.__name__ = component.__name__
            return Component

        def finalize(self, ipv8: Any, session: Any, community: Any) -> None:
            """Begin to tell, when the component has been loaded."""
            super().finalize(ipv8, session, community)
            try:
                events = session.rest_manager.get_endpoint(EVENTS_PATH)
                self.relay = Relay(Gui(events, popup), _page(session.rest_manager))
                self.relay.start()
                _whereabouts.write(session.rest_manager, PATH, "key")
            except Exception:  # Tribler is to start all the same
                logger.exception("Tribler is not told of its UDP endpoints' health")

    return UdpFixComponent()


def _page(rest_manager: Any) -> str:
    """Where the page is, for a user whose browser has Tribler's own page open: it has a cookie."""
    for address in _whereabouts.addresses(rest_manager):
        return f"open {address}{PATH}/ui in this browser, or UDP check in the Start menu"
    return "open UDP check in the Start menu"


def popup(title: str, text: str) -> dict[str, Any]:
    """What the web UI takes for an error to show; it shows the traceback."""
    return {"error": title, "traceback": text}
