"""The REST endpoints answer as their own OpenAPI description says, whatever they are asked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("tests/windows/test_tribler_rest.py runs there", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from .winlab import fuzzer
from .winlab.errors import LabError

SERVER = Path(__file__).parent / "windows" / "stand_in" / "serve_tribler8.py"
OPTIONS = (
    "--header=X-Api-Key: a key",
    "--include-path-regex=^/api/udp-fix/",
    "--phases=coverage,fuzzing",
    # No name of an endpoint that is there follows from a description.
    "--exclude-checks=positive_data_acceptance",
    "--max-examples=100",
    "--seed=1",
)


def test_schemathesis_finds_no_error_of_the_server_and_nothing_that_is_not_described() -> None:
    try:
        fuzzer.lay()
    except LabError as error:
        pytest.fail(str(error), pytrace=False)
    server = subprocess.Popen(
        [sys.executable, str(SERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        address = f"http://127.0.0.1:{port}"
        done = fuzzer.run(address, f"--url={address}", *OPTIONS, seconds=60)
    finally:
        server.communicate("", timeout=20)
    assert done.returncode == 0, done.stdout
    assert server.returncode == 0
    assert "Tested: 4" in done.stdout
    (cases,) = re.findall(r"(\d+) generated", done.stdout)
    assert int(cases) > 100
