from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest

from reports.html import write_report

LIMIT_BYTES = 8 * 2**20
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Tags in order, the text of each script, visible text, and whether tags are balanced."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.scripts, self.text, self.open, self.headings = [], [], "", [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), []))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1][1].append(data)
        elif "style" not in self.open:
            self.text += data
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)

    def data(self):
        """Return what is kept as JSON; go.Figure refuses a figure that Plotly doesn't know."""
        return [json.loads("".join(data)) for attrs, data in self.scripts if attrs.get("type")]

    def figures(self):
        found = [data for data in self.data() if "layout" in data]
        return [go.Figure(data=each["data"], layout=each["layout"]) for each in found]


@pytest.fixture
def page_of(tmp_path):
    def write(run):
        path = tmp_path / "report.html"
        write_report(run, path)
        assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]
        return Page(path.read_text(encoding="utf-8"))

    return write


def test_a_report_has_every_section_and_a_plot_per_pair(page_of, small_run):
    page = page_of(small_run)
    assert page.headings[0].startswith("Take trial 1: ")
    assert page.headings[1:] == [
         "The search", "What is left within other budgets",
        "Two objectives at a time", "All at once", "The front", "How near the ceiling",
        "What each parameter does", "How the search went", "Drift and validity",
        "What didn't work", "Where the time went", "How a number is marked",
    ]  # fmt: skip
    knobs, objectives, pairs = 2, 3, 3
    assert len(page.figures()) == pairs + 1 + knobs * objectives + 2


def test_figures_survive_the_page(page_of, small_run):
    first = page_of(small_run).figures()[0]
    front = next(trace for trace in first.data if trace.name == "on the front")
    assert list(front.x) == [0.5, 0.25]


def test_plotly_is_inside_once_and_the_page_stays_small(page_of, small_run, tmp_path):
    page = page_of(small_run)
    large = [data for _, data in page.scripts if len("".join(data)) > 2**20]
    assert len(large) == 1
    assert (tmp_path / "report.html").stat().st_size < LIMIT_BYTES


def test_nothing_on_the_page_asks_another_host(page_of, small_run):
    page = page_of(small_run)
    links = [a.get("src") or a.get("href") for _, a in page.tags if "src" in a or "href" in a]
    assert links == ["data:,"]
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy


def test_only_the_scripts_of_the_page_itself_may_run(page_of, evil_run):
    page = page_of(evil_run)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    rules = policy.split("script-src ")[1].split(";")[0].split()
    for attrs, data in page.scripts:
        digest = base64.b64encode(hashlib.sha256("".join(data).encode()).digest()).decode()
        assert (f"'sha256-{digest}'" in rules) is (attrs.get("type") is None)
    assert len(rules) == 2 + 1


def test_text_from_outside_stays_text(page_of, evil_run):
    page = page_of(evil_run)
    tags = [tag for tag, _ in page.tags]
    assert "img" not in tags
    assert tags.count("script") == 2 + len(page.data())
    assert "<img src=x onerror=alert(1)>" in page.text
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_notices_come_before_everything_measured(page_of, stand_in_run):
    page = page_of(stand_in_run)
    assert page.text.index("measured on a stand-in") < page.text.index("Take trial 0")


def test_an_empty_run_has_a_report_without_plots(page_of, build):
    page = page_of(build.run())
    assert "No trial has finished yet." in page.text
    assert "There is no baseline yet" in page.text
    assert page.figures() == []


def test_a_run_without_a_baseline_has_plots_but_no_hypervolume(page_of, build):
    page = page_of(build.run(build.record()))
    assert len(page.figures()) == 3 + 1
    assert "hypervolume over" not in str(page.tags)


def test_a_failed_baseline_is_named(page_of, build):
    page = page_of(build.run(build.record(), baseline=build.failed()))
    assert "The baseline has no numbers (rejected at compile" in page.text


def test_an_older_report_survives_a_write_that_fails(tmp_path, small_run):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_report(small_run, tmp_path / "nowhere" / "report.html")
    assert path.read_text() == "old"
