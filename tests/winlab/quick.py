"""What ``--quick`` runs: Linux' tests, and of one Windows Python those that tell the most."""

from __future__ import annotations

PYTHON = "3.12"  # which Tribler is built with
