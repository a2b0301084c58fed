"""Progress on long steps: a bar with a clock on a terminal, elsewhere a line for each step."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from contextlib import contextmanager
from types import TracebackType
from typing import Iterator, TextIO

WIDTH = 24
TICK = 0.5  # seconds between two drawings of the bar
STILL = 30.0  # seconds after which a line says what is still running, where there is no bar


class Progress:
    """Counts finished steps of a known number; thread-safe."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total = total
        self._done = 0
        self._running: list[str] = []
        self._lock = threading.Lock()
        self._start = self._told = time.monotonic()
        self._bar = self._stream.isatty()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        self._clock.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._clock.join()
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
                self._tell(f"winlab: [{self._done}/{self._total}] {name} ({took:.1f} s)")
            self._draw()

    def _tick(self) -> None:
        while not self._ended.wait(TICK):
            with self._lock:
                self._draw()
                if not self._bar and time.monotonic() - self._told >= STILL:
                    took = time.monotonic() - self._start
                    self._tell(f"winlab: {took:.0f} s, still at {', '.join(self._running)}")

    def _tell(self, line: str) -> None:
        self._told = time.monotonic()
        print(line, file=self._stream, flush=True)

    def _draw(self) -> None:
        if not self._bar:
            return
        filled = WIDTH * self._done // max(self._total, 1)
        bar = "#" * filled + "." * (WIDTH - filled)
        took = int(time.monotonic() - self._start)
        count = f"{self._done}/{self._total} {took // 60}:{took % 60:02}"
        line = f"winlab [{bar}] {count}  {', '.join(self._running)}"
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{line[:width]}", end="", file=self._stream, flush=True)
