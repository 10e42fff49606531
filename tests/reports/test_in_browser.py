"""The report in a real browser, driven over Chromium's own debugging pipe: no driver is needed."""

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

from reports.html import write_report

pytestmark = pytest.mark.measures  # a browser beside it would disturb what is timed

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

    def open(self, path):
        self._has_loaded = False
        self.ask("Page.navigate", url=path.as_uri())
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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture
def opened(browser, tmp_path):
    def show(run, width=1280, height=900):
        path = tmp_path / "report.html"
        write_report(run, path)
        browser.complaints.clear()
        browser.requests.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.ask("Emulation.setDeviceMetricsOverride", **size)
        browser.open(path)
        return browser

    return show


PAIR = '.plot[data-x="latency_p90_ms"][data-y="accuracy"]'
# Where a marker is on the screen: its trace by name, its place in the trace.
PLACE = """(() => {
  const plot = document.querySelector(`%s`), box = plot.getBoundingClientRect();
  const trace = plot._fullData.find(({name}) => name === `%s`);
  const {xaxis, yaxis} = plot._fullLayout;
  return [box.x + xaxis._offset + xaxis.d2p(trace.x[%d]),
          box.y + yaxis._offset + yaxis.d2p(trace.y[%d])];
})()"""


@needs_browser
def test_every_figure_is_drawn_without_a_complaint_and_nothing_leaves_the_page(opened, small_run):
    page = opened(small_run)
    count = page.run("""(async () => {
        document.querySelectorAll("details").forEach((each) => { each.open = true; });
        const plots = document.querySelectorAll(".plot");
        for (const plot of plots) {
            plot.scrollIntoView();
            while (!plot.classList.contains("drawn"))
                await new Promise((done) => setTimeout(done, 20));
        }
        return plots.length;
    })()""")
    assert count == 3 + 1 + 2 * 3 + 2
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("data:", "blob:"))] == [
        page.run("location.href")
    ]


@needs_browser
def test_pointing_shows_all_parameters_and_a_click_chooses_and_copies(opened, small_run):
    page = opened(small_run)
    page.show(PAIR)
    x, y = page.run(PLACE % (PAIR, "on the front", 0, 0))
    page.mouse("mouseMoved", x, y)
    text = page.until(f"document.querySelector(`{PAIR} .hoverlayer`).textContent")
    assert "trial 0, on the front" in text
    assert "openvino.threads: 1" in text
    page.mouse("mousePressed", x, y)
    page.mouse("mouseReleased", x, y)
    said = page.until("document.getElementById('said').textContent")
    assert said.endswith("--trial 0 --out nuc-trial-0")
    assert page.run("document.getElementById('chosen-title').textContent").startswith("Trial 0,")
    assert page.complaints == []


@needs_browser
def test_a_budget_says_what_is_left_and_dims_the_rest_in_the_plots(opened, small_run):
    page = opened(small_run)
    left = "document.getElementById('left').textContent"
    assert page.until(left) == "3 of 4 measured trials left; the best of them is trial 1."
    page.show(PAIR)
    move = """(() => {
        const slider = document.getElementById("budget-2");
        slider.value = %d;
        slider.dispatchEvent(new Event("input"));
        return slider.getAttribute("aria-valuetext");
    })()"""
    assert page.run(move % 0) == "at most 0.02"
    assert page.until(f"{left}.startsWith('1 of 4') && {left}").endswith("trial 0.")
    front = f"document.querySelector(`{PAIR}`).data.find((t) => t.name === 'on the front')"
    assert page.until(f"{front}.selectedpoints") == [0]
    last = "document.getElementById('budget-2').max"
    page.run(move % int(page.run(last)))
    assert page.until(f"{left}.startsWith('4 of 4') && {left}").endswith("trial 3.")
    page.run("document.getElementById('reset').click()")
    assert page.until(f"{left}.startsWith('3 of 4') && {left}").endswith("trial 1.")
    assert page.until(f"{front}.selectedpoints === null || {front}.selectedpoints === undefined")


@needs_browser
def test_a_range_on_a_parallel_axis_limits_what_is_left(opened, small_run):
    page = opened(small_run)
    page.show(".plot.wide")
    page.run("""(() => {
        const plot = document.querySelector(".plot.wide"), axes = plot.data[0].dimensions;
        const n = axes.findIndex(({label}) => label === "sparsity");
        return Plotly.restyle(plot, {[`dimensions[${n}].constraintrange`]: [[0.7, 0.8]]}, [0])
            .then(() => null);
    })()""")
    left = "document.getElementById('left').textContent"
    assert page.until(f"{left}.startsWith('1 of 4') && {left}").endswith("trial 1.")


@needs_browser
def test_a_hostile_run_injects_nothing(opened, evil_run):
    page = opened(evil_run)
    page.show(PAIR)
    x, y = page.run(PLACE % (PAIR, "on the front", 0, 0))
    page.mouse("mouseMoved", x, y)
    assert "<img src=x" in page.until(f"document.querySelector(`{PAIR} .hoverlayer`).textContent")
    assert page.run("document.images.length") == 0
    assert page.complaints == []


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_no_width_makes_the_page_scroll_sideways(opened, small_run, width):
    page = opened(small_run, width)
    assert page.run("document.documentElement.scrollWidth") <= width


@needs_browser
def test_an_empty_run_is_a_page_without_complaints(opened, build):
    page = opened(build.run())
    assert page.complaints == []
