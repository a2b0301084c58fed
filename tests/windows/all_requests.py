"""Runs each case of requests with the pyipv8 that is there, and prints the outcomes as JSON."""

from __future__ import annotations

import json
import logging
import traceback

import peer_faults  # first: what the older releases take for their keys, it has a stand-in for
import request_cases  # noqa: F401 - and answer_cases.py with it
import request_harness

import tribler_udp_fix


def outcome(name: str) -> str:
    """How it failed, if so."""
    try:
        request_harness.run(name)
    except Exception:  # whatever a case fails of is what is printed
        return traceback.format_exc()
    return "passed"


logging.disable()
tribler_udp_fix.install()
outcomes = {name: outcome(name) for name in request_harness.CASES}
print(json.dumps({"version": peer_faults.VERSION, "outcomes": outcomes}))
