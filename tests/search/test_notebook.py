"""What can be said without a notebook; `tests.notebooks` looks at what a real one shows."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from search.events import Waiting
from search.notebook import as_html, as_text, shown


def test_outside_a_notebook_nothing_is_shown(capsys):
    with shown(None) as observe:
        observe(Waiting())
    assert capsys.readouterr() == ("", "")


def test_an_observer_that_is_given_is_the_one_that_hears():
    heard = []
    with shown(heard.append) as observe:
        observe(Waiting())
    assert heard == [Waiting()]


def test_html_is_what_a_terminal_shows():
    table = Table("trial", "latency")
    table.add_row("7", Text("0.125*", style="bold"))
    html = as_html(table)
    assert html.startswith("<pre")
    assert '<span style="font-weight: bold">0.125* </span>' in html
    assert "0.125*" in as_text(table)
    assert "<" not in as_text(table)


def test_text_from_outside_is_no_markup():
    assert "&lt;script&gt;" in as_html(Text("<script>alert(1)</script>"))
    assert "<script" not in as_html(Text("<script>alert(1)</script>"))
