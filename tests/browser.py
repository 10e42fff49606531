"""A real browser for tests, driven over Chromium's own debugging pipe: no driver is needed."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import time
from contextlib import suppress

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser: one of {', '.join(NAMES)} must be on PATH"
)
LIMIT_S = 60.0


class Browser:
    """One page of a headless Chromium, and everything that it complained of or asked for."""

    def __init__(self, profile):
        flags = [
            "--headless", "--no-sandbox", "--remote-debugging-pipe", f"--user-data-dir={profile}",
            "--enable-unsafe-swiftshader", "--use-angle=swiftshader", "--disable-dev-shm-usage",
            "--disable-background-networking", "--no-first-run", "about:blank",
        ]  # fmt: skip
        (reads, self._write), (self._read, writes) = self._pipe(), self._pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, reads, 3),
            (os.POSIX_SPAWN_DUP2, writes, 4),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        env = dict(os.environ)
        self._pid = os.posix_spawn(BROWSER, [BROWSER, *flags], env, file_actions=actions)
        os.close(reads)
        os.close(writes)
        self._count, self._buffer, self._session = 0, b"", None
        self.complaints, self.requests, self._has_loaded = [], [], False
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    @staticmethod
    def _pipe():
        """Return a pipe whose ends stay clear of the numbers that the browser expects."""
        ends = os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
        for end in ends:
            os.close(end)
        return high

    def close(self):
        with suppress(OSError):
            os.close(self._write)  # it ends by itself once nobody is there
            os.close(self._read)
        with suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def ask(self, method, **params):
        """Send a command and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], LIMIT_S)
            assert ready, "the browser doesn't answer"
            found = os.read(self._read, 1 << 20)
            assert found, "the browser has ended"
            self._buffer += found
        text, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(text)
        self._take(message.get("method", ""), message.get("params", {}))
        return message

    def _take(self, method, params):
        if method == "Page.loadEventFired":
            self._has_loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.complaints.append(str(params["args"]))

    def open(self, url):
        self._has_loaded = False
        self.ask("Page.navigate", url=url)
        while not self._has_loaded:
            self._next()

    def run(self, script):
        """Return what a script comes to, awaited."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self.ask("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script):
        """Wait until a script comes to something that is true, and return it."""
        end_s = time.monotonic() + LIMIT_S
        while not (value := self.run(script)):
            assert time.monotonic() < end_s, f"never true: {script}"
            time.sleep(0.05)
        return value

    def show(self, selector):
        """Scroll to a figure and wait until it is drawn."""
        self.run(f"document.querySelector(`{selector}`).scrollIntoView({{block: 'center'}})")
        self.until(f"document.querySelector(`{selector}`).classList.contains('drawn')")

    def mouse(self, kind, x, y):
        held = {"button": "left", "buttons": 1, "clickCount": 1} if kind != "mouseMoved" else {}
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def press(self, key, code):
        """Press a key by its name and its Windows virtual code, as Chromium wants both."""
        for kind in ("rawKeyDown", "keyUp"):
            named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            self.ask("Input.dispatchKeyEvent", type=kind, **named)

    def draw_everything(self):
        """Open all that is folded and wait until every figure is drawn; return their number."""
        return self.run("""(async () => {
            document.querySelectorAll("details").forEach((each) => { each.open = true; });
            const plots = document.querySelectorAll(".plot");
            for (const plot of plots) {
                plot.scrollIntoView();
                while (!plot.classList.contains("drawn"))
                    await new Promise((done) => setTimeout(done, 20));
            }
            window.scrollTo(0, 0);
            return plots.length;
        })()""")
