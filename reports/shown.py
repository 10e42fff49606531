"""What is made for a terminal, as text and as HTML: notebooks show the same tables."""

from __future__ import annotations

import abc
import io

from rich.console import Console, RenderableType
from rich.jupyter import JUPYTER_HTML_FORMAT

_WIDTH = 115  # characters; rich's own for notebooks


class Shown(abc.ABC):
    """What ``print`` and a notebook show as a terminal does."""

    @abc.abstractmethod
    def __rich__(self) -> RenderableType:
        """Return it for a terminal."""

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def as_html(renderable: RenderableType) -> str:
    """Return what a terminal would show, as HTML without a script."""
    return _printed(renderable).export_html(inline_styles=True, code_format=JUPYTER_HTML_FORMAT)


def as_text(renderable: RenderableType) -> str:
    """Return what a terminal would show, as plain text."""
    return _printed(renderable).export_text()


def _printed(renderable: RenderableType) -> Console:
    console = Console(
        file=io.StringIO(), record=True, width=_WIDTH, force_jupyter=False, force_terminal=False
    )
    console.print(renderable)
    return console
