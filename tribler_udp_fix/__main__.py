"""``python -m tribler_udp_fix`` is ``tribler-udp-fix``."""

import sys

from tribler_udp_fix.cli import main

if __name__ == "__main__":
    sys.exit(main())
