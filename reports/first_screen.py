"""The first screen of the report: what was measured on what, and which model to ship."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evaluators.candidate import DENSE
from reports.cells import (
    MARK_WORDS,
    Cell,
    cell,
    epochs_text,
    param_text,
    precision_text,
    ratio_text,
    ratio_to_baseline,
    sparsity_text,
    title,
)
from reports.footnotes import emptiness, missing_baseline
from reports.markup import copyable, escaped, export_words
from reports.recommendation import (
    alternatives,
    difference_interval,
    ratio_interval,
    recommended,
)
from search.front import ties
from search.records import NumberedRecord, Run, TrialRecord
from spaces.objectives import Objective


def heading(run: Run) -> str:
    """Return the run's name, and what its numbers were measured on."""
    facts = run.facts
    where = f"<dt>Device</dt><dd>{escaped(facts.device)}</dd>"
    where += f"<dt>Measured on</dt><dd>{escaped(facts.machine)}</dd>"
    return f"<header><h1>{escaped(facts.name)}</h1><dl>{where}</dl></header>"


def notices(run: Run) -> str:
    """Return what a reader must know first, or nothing."""
    if not run.facts.notices:
        return ""
    lines = "".join(f"<p>{escaped(text)}</p>" for text in run.facts.notices)
    return f'<aside class="notices" role="note">{lines}</aside>'


def recommendation(run: Run, folder: Path) -> str:
    """Return the model to ship with the reason, against the baseline, and what else there is."""
    best = recommended(run)
    if best is None:
        why = f"{emptiness(run)} There is nothing to recommend."
        return f'<section class="best"><h2>No model to take</h2><p>{why}</p></section>'
    record, digest = best.record, escaped(best.record.artifact_sha256 or "unknown")
    tiles = "".join(_tile(run, record, objective) for objective in run.facts.objectives)
    return f"""<section class="best">
<h2>Take trial {best.number}: {escaped(candidate_words(record))}</h2>
<p>{_why(run, best)}{_no_gain(run, record, run.facts.objectives[0])}</p>
<div class="tiles">{tiles}</div>
<p class="whole">{copyable(export_words(run, folder, best.number))}</p>
{_alternatives(run, folder)}
<p class="faint">{escaped(missing_baseline(run) or "")} Model file
<code>{escaped(record.artifact or "unknown")}</code>, SHA-256 <code>{digest}</code>.</p>
</section>"""


def candidate_words(record: TrialRecord) -> str:
    """Return what a candidate is in a few words."""
    words = [f"{record.engine} {precision_text(record)}", f"sparsity {sparsity_text(record)}"]
    if (pattern := record.params.get("sparsity_pattern", DENSE)) != DENSE:
        words.append(f"pattern {param_text(pattern)}")
    epochs = epochs_text(record)
    words.append(f"{epochs} epoch{'' if epochs == '1' else 's'} of fine-tuning")
    return ", ".join(words)


def _why(run: Run, best: NumberedRecord) -> str:
    facts, first = run.facts, escaped(title(run.facts.objectives[0]))
    kept = sum(trial.record.is_feasible for trial in run.trials)
    given = "; ".join(facts.constraints)
    of = "Of the models that keep every constraint" if given else "Of all models"
    text = f"{of} it has the best {first}."
    if also := ties(run).get(best.number):
        text += f" Equal within the resolutions: trial {', '.join(map(str, also))}."
    state = "confirmed in fresh processes" if best.record.is_confirmed else "not confirmed yet"
    asked = f" {kept} of {len(run.trials)} trials keep {escaped(given)}." if given else ""
    return f"{text}{asked} Its numbers are {state}."


def _no_gain(run: Run, record: TrialRecord, objective: Objective) -> str:
    """Say it where even the best isn't better than the baseline."""
    cost_ratio = _cost_ratio(run, record, objective)
    if cost_ratio is None or cost_ratio < 1:
        return ""
    return f" <strong>No trial beats the baseline's {escaped(title(objective))}.</strong>"


def _cost_ratio(run: Run, record: TrialRecord, objective: Objective) -> float | None:
    """Return what a candidate costs over what the baseline costs: above 1 is worse."""
    value = record.shown(objective)
    ratio = None if value is None else ratio_to_baseline(run, value, objective)
    return 1 / ratio if ratio and objective.direction == "maximize" else ratio


def _alternatives(run: Run, folder: Path) -> str:
    found = alternatives(run)
    if not found:
        return ""
    rows = "".join(
        f"<li><b>Best {escaped(' and '.join(map(title, best_in)))}: trial {trial.number}</b>, "
        f"{escaped(candidate_words(trial.record))}: {escaped(_in_short(run, trial.record))} "
        f"{copyable(export_words(run, folder, trial.number))}</li>"
        for trial, best_in in found
    )
    return f"<details><summary>If something else matters more</summary><ul>{rows}</ul></details>"


def _in_short(run: Run, record: TrialRecord) -> str:
    """Return each objective as it compares, or as it is."""
    cells = [(title(o), cell(run, record, o), o.unit) for o in run.facts.objectives]
    return ", ".join(
        f"{name} {found.comparison or f'{found.marked} {unit}'.strip()}"
        for name, found, unit in cells
    )


def _tile(run: Run, record: TrialRecord, objective: Objective) -> str:
    found = cell(run, record, objective)
    has_ratio = bool(found.comparison) and objective != run.facts.metric
    value = f"{found.marked} {objective.unit}".strip()
    worse = has_ratio and (_cost_ratio(run, record, objective) or 0) > 1
    lines = _below(run, record, objective, found)
    below = "".join(f'<span class="faint">{escaped(line)}</span>' for line in lines)
    tag = "tag" if found.mark else "tag exact"
    return (
        f'<div class="tile{" worse" if worse else ""}">'
        f"<b>{escaped(found.comparison if has_ratio else value)}</b>"
        f'<span>{escaped(title(objective))}</span>{below}<span><i class="{tag}" '
        f'title="{escaped(found.provenance)}">{MARK_WORDS[found.mark]}</i></span></div>'
    )


def _below(run: Run, record: TrialRecord, objective: Objective, found: Cell) -> Iterator[str]:
    """Yield the 95 % interval of what a tile shows in large, and what it is compared with."""
    if not found.comparison:
        if found.interval:
            yield f"95 % interval {found.interval}"
        return
    if objective == run.facts.metric:
        ends = difference_interval(run, record)
        span = f" ({ends[0]:+.3f} to {ends[1]:+.3f})" if ends else ""
        yield f"{found.comparison}{span} from fp32 on the host"
        return
    ratio = ratio_interval(run, record, objective)
    if ratio is not None:
        yield f"95 % interval {ratio_text(ratio[0])} to {ratio_text(ratio[1])}"
    assert run.baseline is not None
    before = cell(run, run.baseline, objective)
    unit = objective.unit
    yield f"{found.marked} {unit}; baseline {before.marked} {unit}".replace(" ;", ";").strip()
