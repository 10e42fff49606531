from __future__ import annotations

from rich.table import Table
from rich.text import Text

from reports.shown import Shown, as_html, as_text


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


def test_printing_shows_what_a_notebook_does():
    class Front(Shown):
        def __rich__(self):
            return Text("0.125*")

    assert str(Front()) == "0.125*\n"
    assert "0.125*" in Front()._repr_html_()
