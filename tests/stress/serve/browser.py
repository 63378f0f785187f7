"""A browser that a test drives: Chromium, over the pipe of its debugging protocol."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

WAIT_MS = 20_000
"""How long a condition of a page is waited for."""


class Browser:
    """A page that is open in a browser of its own. Use it as a context manager."""

    def __init__(self, address: str, profile: Path) -> None:
        assert CHROMIUM is not None
        orders, self._orders = os.pipe()
        found, answers = os.pipe()
        self._answers = os.fdopen(found, "rb")
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        line = f"exec {shlex.join([CHROMIUM, *options])} 3<&{orders} 4>&{answers}"
        self._process = subprocess.Popen(
            ["bash", "-c", line], pass_fds=(orders, answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(orders)
        os.close(answers)
        self._sent, self._session = 0, ""
        self.console: list[str] = []
        """What was written on the console, and errors that were raised."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for method in ("Runtime.enable", "Log.enable", "Page.enable", "Performance.enable"):
            self._ask(method)
        self._ask("Page.navigate", url=address)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()
        os.close(self._orders)

    def value(self, expression: str) -> Any:
        """Return what an expression, or the promise that it is, comes to in the page."""
        answer = self._ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wear(self, scheme: str, width: int) -> None:
        """Show the page ``light`` or ``dark``, in a window of so many pixels."""
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=1200, deviceScaleFactor=1, mobile=False)

    def until(self, expression: str) -> Any:
        """Wait for an expression to be true in the page; return its value."""
        return self.value(
            f"new Promise((done, fail) => {{ setTimeout(() => fail(new Error('never true')), {WAIT_MS});"
            f" const look = () => {{ const found = {expression}; found ? done(found) : setTimeout(look, 50); }};"
            " look(); })"
        )

    def work(self, name: str) -> float:
        """Return how much of something the page has cost the browser: ``Nodes``, ``LayoutCount``."""
        return {one["name"]: one["value"] for one in self._ask("Performance.getMetrics")["metrics"]}[name]

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send an order; return its result."""
        self._sent += 1
        session = {"sessionId": self._session} if self._session else {}
        os.write(
            self._orders, json.dumps({"id": self._sent, "method": method, "params": params, **session}).encode() + b"\0"
        )
        while True:
            said = self._next()
            if said.get("id") == self._sent:
                assert "result" in said, said
                return dict(said["result"])
            if said.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                self.console.append(json.dumps(said["params"]))

    def _next(self) -> dict[str, Any]:
        """Return the next message."""
        text = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            text += byte
        return dict(json.loads(text))
