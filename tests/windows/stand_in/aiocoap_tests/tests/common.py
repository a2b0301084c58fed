"""What aiocoap's tests ask about the machine; the sdist leaves theirs out."""

from __future__ import annotations

import aiocoap.defaults

loopbackname_v6, loopbackname_v46 = None, "localhost"
using_simple6 = "simple6" in aiocoap.defaults.get_default_clienttransports()
# TCP and WebSockets are none of UDP's.
tcp_disabled = ws_disabled = True


def run_fixture_as_standalone_server(_fixture: object) -> None:
    """Only for tests that are run by hand."""
    raise NotImplementedError
