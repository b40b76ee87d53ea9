"""Chromium without a window, driven over a pipe by its own protocol (https://chromedevtools.github.io/devtools-protocol/)."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

#: Names of the program on the systems that have it.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: No request but those of the page. A container has no user for whom the sandbox could be set up.
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe"
)
#: Seconds for one answer, after which the browser is taken for stuck.
PATIENCE = 60.0


def program() -> str | None:
    """Return the path of Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of one browser."""

    def __init__(self, program: str, profile: Path) -> None:
        self._number, self._rest = 0, b""
        #: Messages of the page's console that are errors.
        self.errors: list[str] = []
        command = [program, *OPTIONS.split(), f"--user-data-dir={profile}", "about:blank"]
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        # Chromium reads its third descriptor and writes its fourth.
        redirect = f'exec "$@" 3<&{read_there} 4>&{write_there}'
        self._process = subprocess.Popen(
            ["bash", "-c", redirect, "chromium", *command],
            pass_fds=(read_there, write_there),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (read_there, write_there):
            os.close(fd)
        self._read, self._write = read_here, write_here
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._session = ""
            self.call("Browser.close")
        os.close(self._write)
        self._process.wait(PATIENCE)
        os.close(self._read)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._next(lambda received: received.get("id") == self._number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self, is_wanted: Any) -> dict[str, Any]:
        while True:
            while b"\0" not in self._rest:
                if not select.select([self._read], [], [], PATIENCE)[0]:
                    raise TimeoutError("the browser does not answer")
                received = os.read(self._read, 1 << 20)
                if not received:
                    raise EOFError("the browser has ended")
                self._rest += received
            line, _, self._rest = self._rest.partition(b"\0")
            message: dict[str, Any] = json.loads(line)
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(message["params"]["exceptionDetails"].get("exception", message["params"])))
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.errors.append(message["params"]["entry"]["text"] + " " + message["params"]["entry"].get("url", ""))
            if is_wanted(message):
                return message

    def open(self, url: str) -> None:
        """Open an address and wait until it has loaded."""
        self.call("Page.navigate", url=url)
        self.loaded()

    def loaded(self) -> None:
        """Wait until a page has loaded."""
        self._next(lambda received: received.get("method") == "Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; of a promise the value that it comes to."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def follow(self, script: str) -> None:
        """Run a script that leaves for another page, and wait until that has loaded."""
        self.run(script)
        self.loaded()

    def wait_for(self, condition: str) -> None:
        """Wait until an expression in the page is true."""
        self.run(
            "new Promise(done => { const look = () => ("
            + condition
            + ") ? done(true) : requestAnimationFrame(look); look() })"
        )

    def look(self, *, width: int, theme: str, height: int = 900) -> None:
        """Set the size of the window in pixels, and whether the system is light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def picture(self, file: Path) -> None:
        """Save what the window shows."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
