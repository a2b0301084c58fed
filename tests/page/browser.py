"""Debian's Chromium, headless, driven by its DevTools protocol over a pair of pipes."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from typing import Any, Callable, Iterator

from ..winlab import tools

ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # root's
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--lang=en-GB",
    "--remote-debugging-pipe",
    "about:blank",
)


class Browser:
    """A headless Chromium with one page, and what that said and asked for."""

    def __init__(self) -> None:
        self.console: list[str] = []
        self.urls: list[str] = []
        self._folder = tempfile.mkdtemp(prefix="chromium-")
        # Chromium reads commands from descriptor 3 and writes to 4; either may be in use here.
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        script = (
            f"exec {{in}}<&{theirs_in} {{out}}>&{theirs_out}; "
            'exec 3<&$in 4>&$out {in}<&- {out}>&-; exec "$@"'
        )
        command = [tools.CHROMIUM, f"--user-data-dir={self._folder}", *ARGUMENTS]
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TZ": "UTC", "HOME": self._folder},
        )
        for number in (theirs_in, theirs_out):
            os.close(number)
        self._out = os.fdopen(ours_out, "wb", buffering=0)
        self._in = os.fdopen(ours_in, "rb", buffering=0)
        self._buffer = b""
        self._count = 0
        self._session = ""
        (self._tab,) = self._tabs()
        self._attach(self._tab)

    def close(self) -> None:
        self._session = ""
        try:
            self.send("Browser.close")
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._in.close()
            self._out.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _tabs(self) -> list[str]:
        found = self.send("Target.getTargets")["targetInfos"]
        return [info["targetId"] for info in found if info["type"] == "page"]

    def _attach(self, tab: str) -> None:
        self._session = ""
        self._session = self.send("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.send(f"{domain}.enable")

    @contextlib.contextmanager
    def new_tab(self) -> Iterator[None]:
        """Be in the tab that the page has opened, which is closed in the end."""
        (tab,) = self.until(lambda: [one for one in self._tabs() if one != self._tab])
        page = self._session
        self._attach(tab)
        try:
            yield
        finally:
            self._session = page
            self.send("Target.closeTarget", targetId=tab)
            self.until(lambda: self._tabs() == [self._tab])

    def send(self, method: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol, and wait for its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _read(self) -> Any:
        while b"\0" not in self._buffer:
            data = os.read(self._in.fileno(), 1 << 16)
            if not data:
                raise RuntimeError("Chromium has gone")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: Any) -> None:
        about = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            self.urls.append(about["request"]["url"])
        elif event["method"] == "Log.entryAdded":
            self.console.append(about["entry"]["text"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.console.append(about["exceptionDetails"]["exception"]["description"])
        elif event["method"] == "Runtime.consoleAPICalled":
            self.console.append(str(about["args"]))

    def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page, a promise to its end."""
        done = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"])
        return done["result"].get("value")

    def look(self, width: int = 1180, height: int = 900, **features: str) -> None:
        """Have a window of this size, and media features such as ``prefers_color_scheme``."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        media = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.send("Emulation.setEmulatedMedia", features=media)

    def go(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        self.until(lambda: self.run("document.readyState") == "complete")

    def until(self, condition: Callable[[], Any], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)
        return found

    def hide(self, hidden: bool) -> None:
        """Minimise the window, or show it again."""
        window = self.send("Browser.getWindowForTarget")["windowId"]
        state = {"windowState": "minimized" if hidden else "normal"}
        self.send("Browser.setWindowBounds", windowId=window, bounds=state)
        self.until(lambda: self.run("document.hidden") == hidden)

    @property
    def text(self) -> str:
        """What is to be read on the page."""
        return str(self.run("document.body.innerText"))

    def press(self, key: str, shift: bool = False) -> None:
        """Press and release a key."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def accessible(self) -> list[dict[str, Any]]:
        """The page as a screen reader has it: the role and name of each part, in reading order."""
        nodes = {node["nodeId"]: node for node in self.send("Accessibility.getFullAXTree")["nodes"]}
        ahead = [next(iter(nodes))]
        found = []
        while ahead:
            node = nodes.get(ahead.pop())
            if node is None:
                continue
            ahead += reversed(node.get("childIds", ()))
            if not node["ignored"]:
                properties = {one["name"]: one["value"] for one in node.get("properties", ())}
                found.append(
                    {
                        "role": node["role"]["value"],
                        "name": node.get("name", {}).get("value", ""),
                        "focused": properties.get("focused", {}).get("value", False),
                    }
                )
        return found

    def names(self, role: str) -> list[str]:
        return [node["name"] for node in self.accessible() if node["role"] == role]

    def screenshot(self) -> bytes:
        """The whole page, as a PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(taken["data"])
