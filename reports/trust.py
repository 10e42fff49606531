"""How far the numbers of a front can be trusted: confirmation, ties, drift and disturbances."""

from __future__ import annotations

from collections.abc import Iterator

from reports.cells import DISTURBED, ratio_text, title
from search.front import pareto_front, ties
from search.records import Run, TrialRecord
from spaces.objectives import Objective


def trust(run: Run) -> list[str]:
    """Return what a reader must know of a front before building on it, a sentence each."""
    return [confirmation(run), *_ties(run), *_canary(run), *_disturbed(run)]


def confirmation(run: Run) -> str:
    """Say whether the front was measured again, and how far its numbers moved."""
    found = [trial.record for trial in pareto_front(run) if trial.record.confirmation]
    if not found:
        return (
            "Not confirmed: each was measured in one process only, and the best of many look "
            "better than they are. Measure again with: python -m search confirm --run DIR"
        )
    rounds = min(record.confirmation.rounds for record in found if record.confirmation)
    if rounds == 1:
        return "Confirmed: built again, with the same answers and estimates. Nothing here is timed."
    moves = [text for o in run.facts.objectives if (text := _moves(run, found, o))]
    text = f"Confirmed: medians of {rounds} fresh processes, taken in random order."
    return f"{text} {_sentence('; '.join(moves))} of what the search saw." if moves else text


def _moves(run: Run, records: list[TrialRecord], objective: Objective) -> str:
    if objective == run.facts.metric or not objective.resolution:
        return ""
    ratios = [ratio for record in records if (ratio := record.moved(objective)) is not None]
    if set(ratios) <= {1.0}:
        return ""
    return f"{title(objective)} came out at {_span(ratios)}"


def _span(ratios: list[float]) -> str:
    ends = dict.fromkeys((ratio_text(min(ratios)), ratio_text(max(ratios))))
    return " to ".join(ends)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ties(run: Run) -> Iterator[str]:
    for number, others in ties(run).items():
        same = ", ".join(map(str, others))
        yield f"={number}  trial {number} is tied with {same}: equal within the resolutions"


def _canary(run: Run) -> Iterator[str]:
    ratios = [reading.ratio for reading in run.canary]
    if ratios:
        times = f"{len(ratios)} time{'' if len(ratios) == 1 else 's'}"
        yield (
            f"The baseline was timed again {times} during the search and took {_span(ratios)} of "
            "its time at the beginning."
        )


def _disturbed(run: Run) -> Iterator[str]:
    count = sum(bool(trial.record.flags) for trial in run.trials)
    if count or (run.baseline is not None and run.baseline.flags):
        yield (
            f"{DISTURBED}  measured while something disturbed, as were {count} of "
            f"{len(run.trials)} trials; the flags in trials.csv and in the JSON say what"
        )
