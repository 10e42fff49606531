"""The progress of a search in a notebook.

Rich's own live display needs ipywidgets in a notebook; an output that is replaced needs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType

from reports.shown import as_html
from search.events import Observer, ignore
from search.progress import LiveProgress


@contextmanager
def shown(observe: Observer | None) -> Iterator[Observer]:
    """Yield the observer given; without one, live progress in a notebook and silence elsewhere."""
    console = Console()
    if observe is None and console.is_jupyter:
        with LiveProgress(console, Cell()) as progress:
            yield progress
    else:
        yield observe or ignore


class Cell:
    """The output of the cell that runs. What was drawn last stays there."""

    def __init__(self) -> None:
        self._handle: Any = None

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return

    def update(self, renderable: RenderableType, *, refresh: bool = False) -> None:
        """Draw in place of what was drawn; for the first time, below what was printed until now."""
        from IPython.display import HTML, display  # there is a kernel, so there is IPython

        drawn = HTML(as_html(renderable))
        if self._handle is None:
            self._handle = display(drawn, display_id=True)
        elif refresh:
            self._handle.update(drawn)
