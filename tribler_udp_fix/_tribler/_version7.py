"""Tribler 7.13 and 7.14: a REST endpoint and a component, in the core process."""

from __future__ import annotations

import logging
from typing import Any, Callable, Iterator

from tribler_udp_fix._imports._modules import loaded_class
from tribler_udp_fix._tribler import _whereabouts
from tribler_udp_fix._tribler._docs import DocumentedEndpoint
from tribler_udp_fix._tribler._gui import Gui
from tribler_udp_fix._tribler._names import COMPONENT, REST_COMPONENT
from tribler_udp_fix._tribler._relay import Relay

logger = logging.getLogger("tribler_udp_fix")

PATH = "/udp-fix"
EVENTS_NAME = "events"


async def start_rest(
    wrapped: Callable[..., Any], manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What replaces ``RESTManager.start()``."""
    try:
        # Before the REST server starts: aiohttp takes no application in after that.
        manager.root_endpoint.add_endpoint(PATH, DocumentedEndpoint(PATH))
    except Exception:  # Tribler is to start all the same
        logger.exception("Tribler does not show how its UDP endpoints are doing")
    return await wrapped(*args, **kwargs)


def components_gen(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[Any]:
    """What replaces ``components_gen()``: Tribler's components, and then ours."""
    yield from wrapped(*args, **kwargs)
    try:
        component = _component()
    except Exception:  # Tribler is to start all the same
        logger.exception("Tribler is not told of its UDP endpoints' health")
    else:
        yield component


def _component() -> Any:
    base: Any = loaded_class(COMPONENT, "Component")
    rest_component = loaded_class(REST_COMPONENT, "RESTComponent")

    class UdpFixComponent(base):  # type: ignore[misc]
        """Tells the user interface, as long as the REST server is there."""

        tribler_should_stop_on_component_error = False
        relay: Relay | None = None

        async def run(self) -> None:
            """Begin to tell, when the REST server has started."""
            await super().run()
            try:
                rest = await self.get_component(rest_component)
                if rest is not None:
                    events = rest.rest_manager.get_endpoint(EVENTS_NAME)
                    # Its user interface is no browser: there is no address to click.
                    where = "enter `tribler-udp-fix tribler check` in a command prompt"
                    self.relay = Relay(Gui(events, popup), where)
                    self.relay.start()
                    _whereabouts.write(rest.rest_manager, PATH, "apikey")
            except Exception:  # Tribler shows what a component raises as a crash
                logger.exception("Tribler is not told of its UDP endpoints' health")

        async def shutdown(self) -> None:
            """Tell no more."""
            _whereabouts.remove()
            if self.relay is not None:
                self.relay.stop()
            await super().shutdown()

    return UdpFixComponent()


def popup(title: str, text: str) -> dict[str, Any]:
    """What the user interface takes for an error to show, once for each type of error.

    Not ``report_config_error``: for that it shows a text of its own, on a corrupted configuration.
    """
    error = {"type": title, "text": text, "long_text": text, "event": {}, "should_stop": False}
    return {"error": error}
