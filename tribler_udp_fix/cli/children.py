"""The echo services that ``demo`` starts, and what each of them has said so far."""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, Mapping, NamedTuple, Sequence

from tribler_udp_fix._switch import SWITCH

TIME_LIMIT = 90.0  # seconds past the time the peers need; a first start may lay the lab


class Sample(NamedTuple):
    """How things stood ``t`` seconds after the first datagram."""

    t: float
    sent: int
    heard: int


class Child:
    """One echo service in a process of its own, with the plugin or without.

    What it prints is read in a thread; the attributes tell the last that was read. ``failure``
    is None while all is well, and else the reason, in one line.
    """

    def __init__(
        self,
        command: Sequence[str],
        protected: bool,
        seconds: float,
        environ: Mapping[str, str],
        folder: Path | None,
    ) -> None:
        self.protected = protected
        self.python = ""
        self.samples: list[Sample] = []
        self.sent = self.heard = self.errors = self.stayed = self.answered = 0
        self.now = self.last_heard = self.departures = 0.0
        self.ended = False
        self.failure: str | None = None
        self._said: collections.deque[str] = collections.deque(maxlen=20)
        self._limit = time.monotonic() + seconds + TIME_LIMIT
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environ(environ, protected),
            cwd=folder,
            # A group of its own: Ctrl-C is ours to handle, and stop() ends what it started too.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream, take), daemon=True)
            for stream, take in (
                (self._process.stdout, self._take_line),
                (self._process.stderr, self._said.append),
            )
        ]
        for reader in self._readers:
            reader.start()

    def running(self) -> bool:
        """Whether there is more to come. Judges the run when there is not."""
        if self.failure is None and self._process.poll() is None:
            if time.monotonic() < self._limit:
                return True
            self.failure = "it did not end"
            self.stop()
        for reader in self._readers:
            reader.join(5)
        if self.failure is None:
            self.failure = self._judge()
        return False

    def _judge(self) -> str | None:
        status = self._process.returncode
        if status or not self.ended:
            words = [line.strip() for line in self._said if line.strip()]
            return f"it ended early, with status {status}" + (f": {words[-1]}" if words else "")
        return None

    def stop(self) -> None:
        """End the process and all it started; safe to call at any time."""
        if self._process.poll() is None:
            try:
                if sys.platform == "win32":
                    self._process.terminate()
                else:
                    os.killpg(self._process.pid, signal.SIGTERM)
                self._process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()

    @property
    def lost(self) -> int:
        """Datagrams that were sent and not heard."""
        return max(0, self.sent - self.heard)

    def as_dict(self) -> dict[str, Any]:
        """The result, for JSON; ``series`` holds [seconds, sent, heard] triples."""
        return {
            "sent": self.sent,
            "heard": self.heard,
            "errors": self.errors,
            "stayed": self.stayed,
            "answered": self.answered,
            "last_heard": self.last_heard,
            "departures": self.departures,
            "failure": self.failure,
            "series": [list(sample) for sample in self.samples],
        }

    def _read(self, stream: IO[bytes], take: Any) -> None:
        for line in stream:
            take(line.decode("utf-8", "replace"))
        stream.close()

    def _take_line(self, text: str) -> None:
        try:
            line = json.loads(text)
            event = line["event"]
        except (ValueError, TypeError, KeyError):
            self._said.append(text)
            return
        if event == "start":
            self.python, self.departures = line["python"], line["departures"]
            self._check_plugin(line["plugin"])
            return
        for name in ("sent", "heard", "errors", "last_heard"):
            setattr(self, name, line[name])
        if event == "sample":
            self.now = line["t"]
            self.samples.append(Sample(line["t"], line["sent"], line["heard"]))
        else:
            self.stayed, self.answered = line["stayed"], line["answered"]
            self.ended = True

    def _check_plugin(self, state: str) -> None:
        if self.protected and state != "on":
            self.failure = (
                f"{SWITCH}=1 did not switch the plugin on: is tribler_udp_fix installed there, "
                "with its .pth file?"
            )
        elif not self.protected and state != "off":
            self.failure = f"the plugin was on without {SWITCH}"


def _environ(environ: Mapping[str, str], protected: bool) -> dict[str, str]:
    child = {name: value for name, value in environ.items() if name.upper() != SWITCH}
    if protected:
        child[SWITCH] = "1"
    return child
