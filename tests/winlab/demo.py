"""``tribler-udp-fix demo`` by the name that it has in the lab: `tests.winlab demo` starts this."""

from __future__ import annotations

import sys

from tribler_udp_fix.cli import invocation, main

if __name__ == "__main__":
    invocation.pass_for_the_lab()
    sys.exit(main(["demo", *sys.argv[1:]]))
