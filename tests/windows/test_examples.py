"""The programs of docs/examples.md, on Windows: the servers hear on when peers have departed."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ipv8_expected import HAS_IPV8

PAGE = Path(__file__).resolve().parents[2] / "docs" / "examples.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)
SERVER, WATCHED, COMMUNITY = BLOCKS


def start(program: str, tmp_path: Path) -> subprocess.Popen[str]:
    file = tmp_path / "example.py"
    file.write_text(program, "utf-8")
    return subprocess.Popen(
        [sys.executable, str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(3)
        peer.sendto(b"hello", ("127.0.0.1", port))
        try:
            return peer.recv(99) == b"hello"
        except socket.timeout:
            return False


@pytest.mark.parametrize("program", [SERVER, WATCHED], ids=["alone", "watched"])
def test_the_server_hears_on_when_peers_have_departed(program: str, tmp_path: Any) -> None:
    with start(program, tmp_path) as server:
        assert server.stdout
        try:
            port = int(server.stdout.readline().split()[-1])
            assert answers(port)
            for _ in range(20):  # peers that leave at once, some of them together
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                    peer.sendto(b"bye", ("127.0.0.1", port))
            assert answers(port)
        finally:
            server.kill()


@pytest.mark.skipif(
    not HAS_IPV8 or sys.version_info < (3, 10), reason="the lab's IPv8 has keys from 3.10 on"
)
def test_the_community_hears(tmp_path: Any) -> None:
    with start(COMMUNITY, tmp_path) as program:
        out, _ = program.communicate(timeout=60)
    assert program.returncode == 0, out
    assert "bob heard: hello" in out.splitlines()
    assert out.count(" is healthy") == 2
