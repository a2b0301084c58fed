"""The components of Tribler 8, which IPv8 loads as if they were communities."""

from __future__ import annotations

from typing import Any

from ipv8.community import Community
from ipv8.loader import CommunityLauncher
from ipv8.overlay import Overlay


class Component(Community):  # type: ignore[misc]
    def __init__(self, settings: Any) -> None:
        settings.community_id = self.__class__.__name__.encode()
        Overlay.__init__(self, settings)
        self.cancel_pending_task("discover_lan_addresses")
        self.endpoint.remove_listener(self)
        self.bootstrappers: list[Any] = []
        self.max_peers = 0
        self._prefix = settings.community_id
        self.settings = settings


class CommunityLauncherWEndpoints(CommunityLauncher):  # type: ignore[misc]
    def get_endpoints(self) -> list[Any]:
        return []


class ComponentLauncher(CommunityLauncherWEndpoints):
    def get_overlay_class(self) -> type[Component]:
        return type(self.__class__.__name__, (Component,), {})

    def get_my_peer(self, ipv8: Any, session: Any) -> Any:
        return ipv8.keys["anonymous id"]
