"""What can be said without a notebook; `tests.notebooks` looks at what a real one shows."""

from __future__ import annotations

from search.events import Waiting
from search.notebook import shown


def test_outside_a_notebook_nothing_is_shown(capsys):
    with shown(None) as observe:
        observe(Waiting())
    assert capsys.readouterr() == ("", "")


def test_an_observer_that_is_given_is_the_one_that_hears():
    heard = []
    with shown(heard.append) as observe:
        observe(Waiting())
    assert heard == [Waiting()]
