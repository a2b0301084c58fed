"""The class that is watched as soon as the program has imported it, by name."""

from __future__ import annotations

from tribler_udp_fix._imports._modules import Target
from tribler_udp_fix._ipv8._names import SERVICE

TARGETS: dict[str, Target] = {SERVICE: Target("IPv8", ("F11", "F12"))}
