"""The component of Tribler 7.13 that has IPv8."""

from __future__ import annotations

from tribler.core.components.component import Component


class Ipv8Component(Component):  # type: ignore[misc]
    async def run(self) -> None:
        await super().run()
        await self.session.config["ipv8"].start()

    async def shutdown(self) -> None:
        await super().shutdown()
        await self.session.config["ipv8"].stop()
