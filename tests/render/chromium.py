"""A headless Chromium, spoken to over a pipe, and a proxy that takes down what it is asked for."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BINARY = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# Nothing of the browser's own may be taken for a request of the page.
_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=OptimizationHints,MediaRouter,Translate,InterestFeedContentSuggestions",
    "--metrics-recording-only",
    "--password-store=basic",
    "--use-mock-keychain",
    "--disable-dev-shm-usage",
)


class Proxy:
    """Takes down the first line of every request and answers none."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:  # closed
                return
            with client:
                client.settimeout(2.0)
                try:
                    line = client.recv(4096).split(b"\r\n")[0].decode("latin-1")
                except OSError:
                    line = "(nothing)"
                self.asked.append(line)

    def close(self) -> None:
        self._server.close()


class Browser:
    """One page. `events` are all that the browser has told, `dialogs` the alerts it opened."""

    def __init__(self, folder: Path, proxy: Proxy) -> None:
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        self.events: list[dict[str, Any]] = []
        self._number = 0

        def place() -> None:
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        # Away from 3 and 4, which the browser wants for itself.
        theirs_in, theirs_out = _high(theirs_in), _high(theirs_out)
        self._process = subprocess.Popen(
            [
                str(BINARY),
                *_QUIET,
                "--remote-debugging-pipe",
                f"--user-data-dir={folder}",
                f"--proxy-server=http://127.0.0.1:{proxy.port}",
                "--proxy-bypass-list=<-loopback>",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=place,
            env={**os.environ, "HOME": str(folder)},
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out = os.fdopen(ours_in, "rb"), os.fdopen(ours_out, "wb")
        self._session = ""
        self._session = self._attach()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)

    def _attach(self) -> str:
        pages: list[dict[str, Any]] = []
        while not pages:
            found = self.send("Target.getTargets")["targetInfos"]
            pages = [t for t in found if t["type"] == "page"]
        asked = {"targetId": pages[0]["targetId"], "flatten": True}
        return str(self.send("Target.attachToTarget", **asked)["sessionId"])

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command; events that come before it are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            assert byte, "the browser has gone"
            text += byte
        found = json.loads(text)
        if "method" in found:
            self.events.append(found)
            if found["method"] == "Page.javascriptDialogOpening":
                raise AssertionError(f"a script ran: {found['params']['message']}")
        return dict(found)

    def open(self, path: Path) -> None:
        """Load a file and wait until it has."""
        self.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self._next()

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def shape(self, width: int, height: int, scheme: str) -> None:
        """A window of this size, in the colours `light` or `dark`."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def picture(self, **clip: float) -> bytes:
        """PNG of what the window shows, or of a part of the page."""
        asked: dict[str, Any] = {"format": "png"}
        if clip:
            asked |= {"clip": clip | {"scale": 1}, "captureBeyondViewport": True}
        return base64.b64decode(self.send("Page.captureScreenshot", **asked)["data"])

    def said(self) -> list[str]:
        """What stands in the console, exceptions and refused scripts among it."""
        words = {
            "Log.entryAdded": lambda p: p["entry"]["text"],
            "Runtime.consoleAPICalled": lambda p: str(p["args"]),
            "Runtime.exceptionThrown": lambda p: p["exceptionDetails"]["text"],
        }
        return [words[e["method"]](e["params"]) for e in self.events if e["method"] in words]

    def requested(self) -> list[str]:
        """Addresses that the page asked for."""
        asked = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [e["params"]["request"]["url"] for e in asked]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._in.close()
        self._out.close()


def _high(descriptor: int) -> int:
    """The same pipe under a number above 9, to be inherited."""
    import fcntl

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    os.set_inheritable(moved, True)
    return moved


@contextmanager
def chromium(folder: Path) -> Iterator[tuple[Browser, Proxy]]:
    """A browser with a profile of its own, and the proxy that everything of it goes through."""
    proxy = Proxy()
    browser = Browser(folder, proxy)
    try:
        yield browser, proxy
    finally:
        browser.close()
        proxy.close()
