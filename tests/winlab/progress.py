"""Progress on long steps: a bar on a terminal, a plain line for each step elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from contextlib import contextmanager
from types import TracebackType
from typing import Iterator, TextIO

WIDTH = 24


class Progress:
    """Counts finished steps of a known number; thread-safe. Nothing is shown until a step ends."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total = total
        self._done = 0
        self._running: list[str] = []
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._bar = self._stream.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            print("\r\x1b[K", end="", file=self._stream, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count one step as done when the block ends without an error."""
        with self._lock:
            self._running.append(name)
            self._draw()
        start = time.monotonic()
        try:
            yield
        except BaseException:  # it goes on below; the step is no longer running
            with self._lock:
                self._running.remove(name)
            raise
        with self._lock:
            self._running.remove(name)
            self._done += 1
            if not self._bar:
                took = time.monotonic() - start
                print(
                    f"winlab: [{self._done}/{self._total}] {name} ({took:.1f} s)",
                    file=self._stream,
                    flush=True,
                )
            self._draw()

    def _draw(self) -> None:
        if not self._bar:
            return
        filled = WIDTH * self._done // max(self._total, 1)
        bar = "#" * filled + "." * (WIDTH - filled)
        took = time.monotonic() - self._start
        count = f"{self._done}/{self._total} {took:3.0f} s"
        line = f"winlab [{bar}] {count}  {', '.join(self._running)}"
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{line[:width]}", end="", file=self._stream, flush=True)
