"""The report in a real browser: its figures, what links them, and what it asks for."""

from __future__ import annotations

import pytest

from tests.browser import needs_browser

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
    assert page.draw_everything() == 3 + 1 + 2 * 3 + 2
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
