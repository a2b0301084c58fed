"""The core process of Tribler 7.13: its components."""

from __future__ import annotations

from typing import Any, Iterator

from tribler.core.components.ipv8.ipv8_component import Ipv8Component
from tribler.core.components.restapi.restapi_component import RESTComponent


def components_gen(config: dict[str, Any]) -> Iterator[Any]:
    yield RESTComponent()
    yield Ipv8Component()
