"""Real IPv8 instances with a community that talks, and no bootstrapper."""

from __future__ import annotations

import base64
from typing import Any

MESSAGE = 1


def service(interfaces: list[str], endpoint: Any = None, **options: Any) -> Any:
    """An IPv8 instance on loopback, not started: on *interfaces* or a given *endpoint*."""
    from ipv8.keyvault.crypto import default_eccrypto
    from ipv8_service import IPv8

    key = default_eccrypto.generate_key("curve25519").key_to_bin()
    configuration = {
        "interfaces": [
            {"interface": name, "ip": "::1" if name == "UDPIPv6" else "127.0.0.1", "port": 0}
            for name in interfaces
        ],
        "keys": [{"alias": "me", "bin": base64.b64encode(key).decode(), "file": ""}],
        "logger": {"level": "INFO"},
        "working_directory": ".",
        "walker_interval": 0.5,
        "overlays": [
            {
                "class": "Talkers",
                "key": "me",
                "walkers": [],
                "bootstrappers": [],
                "initialize": {},
                "on_start": [],
            }
        ],
    }
    return IPv8(
        configuration, endpoint, extra_communities={"Talkers": _community_class()}, **options
    )


def _community_class() -> Any:
    from ipv8.community import Community

    class Talkers(Community):  # type: ignore[misc]
        community_id = b"loopback talkers only"[:20]

        def __init__(self, settings: Any) -> None:
            super().__init__(settings)
            self.heard: list[bytes] = []
            self.add_message_handler(MESSAGE, self.on_message)

        def on_message(self, _source: Any, data: bytes) -> None:
            self.heard.append(data[23:])

        def say(self, address: Any, message: bytes) -> None:
            self.endpoint.send(address, self.message(message))

        def message(self, message: bytes) -> bytes:
            """What goes over the wire."""
            return bytes(self.get_prefix()) + bytes([MESSAGE]) + message

    return Talkers
