"""What a run found, for Python: tables as DataFrames, figures, and the model to ship."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from reports.shown import Shown
from reports.tables import front_table, headline
from search.errors import UsageError
from search.events import Observer
from search.notebook import shown
from search.outputs import write_outputs
from search.records import Run
from search.run_directory import RunDirectory
from search.study import RunOptions, confirm_front, space_of_run

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


class Results(Shown):
    """A run as it stood when it was loaded; a notebook shows its front.

    Every number has its provenance beside it: in a table in the column ``NAME_provenance``, in a
    figure by the shape of its marker, as in the report. pandas and Plotly are imported when a table
    or a figure is asked for, as they are slow to.

    Attributes:
        records: What everything here is made of.
        folder: Where the run lies.
    """

    def __init__(self, records: Run, directory: RunDirectory) -> None:
        self.records = records
        self.folder = directory.path
        self._directory = directory

    def __repr__(self) -> str:
        return f"<{headline(self.records)}; {self.folder}>"

    def __rich__(self) -> RenderableType:
        return front_table(self.records, show_all=False)

    def front(self) -> pd.DataFrame:
        """Return the Pareto front, the best in the first objective first: ``front.csv``."""
        from reports import frames

        return frames.front_frame(self.records)

    def trials(self) -> pd.DataFrame:
        """Return all that is known of every finished trial, failed ones too: ``trials.csv``."""
        from reports import frames

        return frames.trials_frame(self.records)

    def baseline(self) -> pd.Series:
        """Return what ratios refer to, the unpruned model, with the columns of `trials`.

        Raises:
            UsageError: If it hasn't been measured yet.
        """
        from reports import frames

        if self.records.baseline is None:
            raise UsageError(f"{self.folder} has no baseline yet. Run it again.")
        return frames.baseline_series(self.records, self.records.baseline)

    def recommend(self, **budgets: float) -> pd.Series:
        """Return the trial to take: of those within the budgets the best in the first objective.

        Among equals, within the objective's resolution, the better metric decides. It is the model
        that the report recommends, and with budgets what its sliders come to.

        Args:
            budgets: Limits by name, in the unit of the name: the most that a cost may be
                (``latency_p90_ms=5``), the least of what is to be large (``accuracy=0.97``), or how
                much worse than the float32 model the metric may be (``accuracy_drop=0.02``). An
                objective that isn't named keeps its constraint in the space file; one that is named
                may go beyond it.

        Raises:
            ValueError: If a name is unknown or a limit is no number.
            UsageError: If no trial is left; the text says how near each limit comes.
        """
        from reports import frames
        from reports.budgets import best_within, budget_named

        best = best_within(self.records, budgets)
        named = [budget_named(self.records, name).objective.si_name for name in budgets]
        return frames.candidate_series(self.records, best, named)

    def knobs(self) -> pd.DataFrame:
        """Return how much of each objective's spread each parameter explains, in 0 to 1.

        `reports.knobs` says what that means and what it doesn't.
        """
        from reports import frames

        return frames.knobs_frame(self.records)

    def failures(self) -> pd.DataFrame:
        """Return why trials aren't candidates, one row a reason, with the trials' numbers."""
        from reports import frames

        return frames.failures_frame(self.records)

    def plot_front(self, x: str | None = None, y: str | None = None) -> go.Figure:
        """Return every measured candidate by two objectives, with the bounds on them.

        Args:
            x: Name of an objective, or of anything else that is measured; the first objective if
                None.
            y: The same; the metric if None.

        Raises:
            ValueError: If a name is unknown.
        """
        from reports.plots import pareto_figure

        across, up = _default_axes(self.records)
        return pareto_figure(self.records, x or across, y or up)

    def plot_parallel(self) -> go.Figure:
        """Return each measured trial as a line over parameters and objectives, the front orange."""
        from reports.plots import parallel_figure

        return parallel_figure(self.records)

    def plot_effect(self, parameter: str, objective: str | None = None) -> go.Figure:
        """Return an objective over the values of a parameter: medians, and where most trials lie.

        Args:
            parameter: One of those in `knobs`.
            objective: One of the run's; the first if None.

        Raises:
            ValueError: If the objective is unknown, or the parameter didn't vary.
        """
        from reports.plots import effect_figure

        first = self.records.facts.objectives[0].name
        return effect_figure(self.records, parameter, objective or first)

    def plot_hypervolume(self) -> go.Figure:
        """Return how the front grew from trial to trial."""
        from reports.plots import hypervolume_figure

        return hypervolume_figure(self.records)

    def plot_drift(self) -> go.Figure:
        """Return how the machine changed during the run, by the baseline's time."""
        from reports.plots import drift_figure

        return drift_figure(self.records)

    def report(self) -> Path:
        """Write ``report.html``, ``front.csv`` and ``trials.csv``, and return the report's path.

        Raises:
            UsageError: If they can't be written.
        """
        write_outputs(self.records, self._directory)
        return self._directory.report

    def confirm(self, *, observe: Observer | None = None) -> Results:
        """Measure the front again in fresh processes, write its report and return the results.

        Args:
            observe: Called with every event of `search.events`; None shows progress in a notebook.

        Raises:
            UsageError: If there is nothing on the front.
            RunError: If the device or the storage gives out.
        """
        space = space_of_run(self._directory)
        with shown(observe) as observer:
            found = confirm_front(space, self._directory, RunOptions(), observer)
        confirmed = Results(found, self._directory)
        confirmed.report()
        return confirmed

    def export(self, trial: int, out: str | Path, *, observe: Observer | None = None) -> Path:
        """Write a trial's model, with all that a device needs to run and verify it, into a folder.

        Args:
            trial: Its number; any that was measured to the end.
            out: The bundle, a new folder. See `evaluators.bundle.folder` for what lies in it.
            observe: Called with what takes time; None shows progress in a notebook.

        Returns:
            The bundle's folder.

        Raises:
            RunError: If there is no such trial, its file is gone and can't be built again, or the
                bundle can't be written.
        """
        from reports.bundle.exported import fetch_trial
        from reports.bundle.write import check_out, write_bundle

        folder = Path(out)
        check_out(folder)
        with shown(observe) as observer:
            write_bundle(fetch_trial(self._directory, int(trial), observer), folder)
        return folder


def _default_axes(run: Run) -> tuple[str, str]:
    """Return the first objective and the metric, or what comes after it where it is the first."""
    first, *others = run.facts.objectives
    if first != run.facts.metric:
        return first.name, run.facts.metric.name
    return first.name, others[0].name if others else "latency_p90_ms"
