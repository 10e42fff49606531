"""Runs side by side: what ``python -m search compare`` prints, and its numbers for Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from reports.comparison import NamedRun, comparison_table
from reports.shown import Shown
from search.errors import UsageError
from search.run_directory import RunDirectory

if TYPE_CHECKING:
    import pandas as pd


class Comparison(Shown):
    """Two devices, two versions of a runtime, two spaces; a notebook shows them side by side.

    In the tables each number has its interval and its provenance beside it, and its ratio to the
    first run's, or a metric its difference: see `reports.comparison_frames`.

    Attributes:
        runs: Each with the path of its folder, as it was given; ratios are to the first.
    """

    def __init__(self, runs: Sequence[NamedRun]) -> None:
        self.runs = runs

    def __rich__(self) -> RenderableType:
        return comparison_table(self.runs)

    def __repr__(self) -> str:
        return f"<comparison of {', '.join(name for name, _ in self.runs)}>"

    def baselines(self) -> pd.DataFrame:
        """Return each run's baseline, one row a run."""
        from reports.comparison_frames import baselines_frame

        return baselines_frame(self.runs)

    def to_ship(self) -> pd.DataFrame:
        """Return the model that each run's report recommends, one row a run."""
        from reports.comparison_frames import to_ship_frame

        return to_ship_frame(self.runs)

    def shared(self) -> pd.DataFrame:
        """Return what was measured in the first run and in another: one row a candidate and run."""
        from reports.comparison_frames import shared_frame

        return shared_frame(self.runs)


def compare(*run_dirs: str | Path) -> Comparison:
    """Set runs side by side.

    Args:
        run_dirs: Their folders, two or more. Objectives are those of the first.

    Raises:
        UsageError: If they are fewer, or one holds no run.
    """
    if len(run_dirs) < 2:
        raise UsageError(f"compare needs two runs or more, but got {len(run_dirs)}.")
    return Comparison([(str(path), RunDirectory(Path(path)).load()) for path in run_dirs])
